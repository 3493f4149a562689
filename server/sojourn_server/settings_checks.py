"""What is to be said of settings alone, by those who know what they mean for sessions."""

from __future__ import annotations

from .domain.checks import Check, ok, warning
from .settings import Settings

LOOPBACK = ("127.", "localhost", "::1", "[::1]", "unix:")
HOUR = 3_600


def settings_checks(settings: Settings) -> list[Check]:
    """One check for each setting that asks for trouble; one that says so when none does."""
    found: list[Check] = []

    def say(problem: str, advice: str) -> None:
        found.append(warning("settings", problem, advice))

    if not settings.listen.startswith(LOOPBACK):
        say(
            f"listens on {settings.listen.rpartition(':')[0] or 'all addresses'} without encryption and credentials",
            "Let only those you trust reach the port: a private network, or a proxy that checks who they are.",
        )
    if settings.ephemeral:
        say("ephemeral: nothing outlives the server", "Fine for tests. Otherwise leave out --ephemeral.")
    if settings.retention_seconds and settings.retention_seconds < settings.recent_after_seconds:
        say(
            "sessions are to be deleted for ever before they leave the active store",
            "Set retention_seconds above recent_after_seconds.",
        )
    if settings.archive_after_seconds < settings.recent_after_seconds:
        say(
            "sessions become archive objects as soon as they leave the active store",
            "Reads of archives are slow: set archive_after_seconds above recent_after_seconds.",
        )
    if settings.sweep_grace_seconds < HOUR:
        say(
            f"unfinished uploads are removed after {settings.sweep_grace_seconds:g} s",
            "Set sweep_grace_seconds above what the longest upload takes.",
        )
    return found or [ok("settings", "nothing that asks for trouble")]
