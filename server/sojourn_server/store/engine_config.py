"""The embedded engine's files and its configuration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

Directive = tuple[str, ...]
"""A configuration directive's name, then its arguments."""


@dataclass(frozen=True, slots=True)
class EngineFiles:
    """Where an engine keeps what. All in one directory, except a socket whose path would be too long there."""

    directory: Path
    socket: Path

    @property
    def config(self) -> Path:
        """The generated configuration; its path in a command line also tells whose engine a process is."""
        return self.directory / "engine.conf"

    @property
    def lock(self) -> Path:
        """Locked for as long as a process of the engine lives."""
        return self.directory / "engine.lock"

    @property
    def state(self) -> Path:
        """JSON: process id and socket of the engine started last."""
        return self.directory / "engine.json"

    @property
    def log(self) -> Path:
        """The engine's own log."""
        return self.directory / "engine.log"


def engine_directives(files: EngineFiles, *, durable: bool, maxmemory: int | None) -> list[Directive]:
    """The configuration of an embedded engine.

    durable: every write is on disk before its reply; otherwise nothing is ever written.
    maxmemory: bytes; None leaves it to the machine.
    """
    return [
        ("port", "0"),
        ("unixsocket", str(files.socket)),
        ("unixsocketperm", "600"),
        ("dir", str(files.directory)),
        ("daemonize", "no"),
        # Its output is redirected to the log file, so that complaints about the configuration are there as well.
        ("logfile", ""),
        ("always-show-logo", "no"),
        # Leaves the command line as it was: a leftover engine is recognised by it.
        ("set-proc-title", "no"),
        ("protected-mode", "yes"),
        ("enable-debug-command", "no"),
        # One database, as in a cluster.
        ("databases", "1"),
        # No RDB files: with persistence the append-only file is the only truth.
        ("save", ""),
        ("appendonly", "yes" if durable else "no"),
        ("appendfsync", "always"),
        # Writes are synced during a rewrite, too: "acknowledged" has no exception.
        ("no-appendfsync-on-rewrite", "no"),
        # Full means an error for the writer, never a session silently dropped.
        ("maxmemory-policy", "noeviction"),
        ("maxmemory", str(maxmemory or 0)),
        # A session's head stays one compact block up to values of half a kilobyte (default 64 bytes): measured 30 %
        # less memory a session at the same cost a command. Beyond 256 fields a block would be slower than a table.
        ("hash-max-listpack-entries", "256"),
        ("hash-max-listpack-value", "512"),
        # Twice the default: 20 messages fit into one node, 13 % less memory.
        ("stream-node-max-bytes", "8192"),
        ("stream-node-max-entries", "100"),
        # Notifications are hints, so a subscriber that does not read is dropped soon: it finds what it missed in the
        # log, while its backlog would count against everybody's memory.
        ("client-output-buffer-limit", "pubsub", "32mb", "8mb", "10"),
    ]


def render_config(directives: Iterable[Directive]) -> str:
    """The text of a configuration file; every argument is quoted, so paths may hold anything."""
    return "".join(f"{name} {' '.join(map(_quote, arguments))}\n" for name, *arguments in directives)


def _quote(argument: str) -> str:
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
