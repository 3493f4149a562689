"""Which server a command talks to, and as whom: flags, then the environment, then a profile, then defaults.

# ~/.config/sojourn/config.toml
[profiles.default]
target = "sojourn.example:7431"
api_key = "..."
tls = true              # or the path of a file with root certificates
project = "checkout"    # of the sessions that commands create
user = "ada"
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._errors import CommandError, ExitCode

DEFAULT_TARGET = "localhost:7431"
DEFAULT_PROFILE = "default"
TARGET_VARIABLE = "SOJOURN_TARGET"
API_KEY_VARIABLE = "SOJOURN_API_KEY"
PROFILE_VARIABLE = "SOJOURN_PROFILE"
FILE_VARIABLE = "SOJOURN_CONFIG_FILE"
KEYS = ("target", "api_key", "tls", "project", "user")


@dataclass(frozen=True, slots=True)
class Server:
    """Which server, and as whom."""

    target: str = DEFAULT_TARGET
    api_key: str | None = field(default=None, repr=False)
    tls: bool | Path = False
    """Whether the connection is encrypted; a path: of the root certificates (PEM) that the server's must chain to."""
    project: str | None = None
    user: str | None = None
    profile: str | None = None
    """Name of the profile that counted; None when there is none."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each of these is from, for people: `--target`, `SOJOURN_TARGET`, `profile default`, `--profile prod`. Those
    that are defaults are not in it."""

    @property
    def is_named_by_flag(self) -> bool:
        """Whether the target is what `--target` or `--profile` says."""
        return self.origins.get("target", "").startswith("--")


def resolve(target: str | None = None, api_key: str | None = None, profile: str | None = None) -> Server:
    """The server that the flags, the environment and the profile file name.

    A flag wins over the environment and that over a profile, but a profile that is named by its flag wins over the
    environment. The key and the encryption of a profile that nobody named by a flag are for its own target alone.

    Raises CommandError when the profile file cannot be read, or holds no such profile.
    """
    chosen = profile or os.environ.get(PROFILE_VARIABLE) or None
    path = config_path()
    stored = _profile(chosen or DEFAULT_PROFILE, path, required=chosen is not None)
    name = (chosen or DEFAULT_PROFILE) if stored is not None else None
    origin = f"--profile {name}" if profile else f"profile {name}"
    in_profile = {key: (value, origin) for key, value in (stored or {}).items()}
    in_flags = _said({"target": (target, "--target"), "api_key": (api_key, "--api-key")})
    in_environment = _said(
        {
            "target": (os.environ.get(TARGET_VARIABLE), TARGET_VARIABLE),
            "api_key": (os.environ.get(API_KEY_VARIABLE), API_KEY_VARIABLE),
        }
    )
    if profile:
        found = in_environment | in_profile | in_flags
    else:
        found = in_profile | in_environment | in_flags
        if found.get("target") != in_profile.get("target"):  # what is secret stays with whom it was meant for
            found = {key: each for key, each in found.items() if key not in ("api_key", "tls") or each[1] != origin}
    values = {key: value for key, (value, _) in found.items()}
    if isinstance(values.get("tls"), str):
        values["tls"] = path.parent / Path(values["tls"]).expanduser()
    return Server(**values, profile=name, origins={key: source for key, (_, source) in found.items()})


def config_path() -> Path:
    """Where the profile file is, or would be."""
    given = os.environ.get(FILE_VARIABLE)
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "sojourn" / "config.toml"


def profile_names() -> list[str]:
    """The profiles there are. Raises CommandError when the file cannot be read."""
    return sorted(_profiles(config_path()))


def _said(settings: Mapping[str, tuple[str | None, str]]) -> dict[str, tuple[Any, str]]:
    return {key: each for key, each in settings.items() if each[0]}


def _profile(name: str, path: Path, *, required: bool) -> Mapping[str, Any] | None:
    profiles = _profiles(path)
    if name not in profiles:
        if not required:
            return None
        there = f"those there are: {', '.join(sorted(profiles))}" if profiles else f"[profiles.{name}] makes one"
        raise CommandError(f"there is no profile {name!r} in {path}", hint=there, code=ExitCode.USAGE)
    profile = profiles[name]
    for key, value in profile.items():
        if key not in KEYS:
            raise _wrong(path, f"profile {name}: {key!r} is no setting", f"the settings are {', '.join(KEYS)}")
        if not (isinstance(value, str) or (key == "tls" and isinstance(value, bool))):
            expected = "true, false or the path of a file" if key == "tls" else "text between quotes"
            raise _wrong(path, f"profile {name}: {key} must be {expected}")
    return profile


def _profiles(path: Path) -> dict[str, dict[str, Any]]:
    """The profiles in the file; none when there is no file, unless the environment names it."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        if os.environ.get(FILE_VARIABLE):
            raise _wrong(path, "there is no such file", f"{FILE_VARIABLE} names it") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, f"cannot be read: {error}") from None
    import tomllib

    try:
        profiles = tomllib.loads(text).get("profiles", {})
    except tomllib.TOMLDecodeError as error:
        raise _wrong(path, f"is not TOML: {error}") from None
    if not (isinstance(profiles, dict) and all(isinstance(each, dict) for each in profiles.values())):
        raise _wrong(path, "profiles must be tables: [profiles.NAME]")
    return profiles


def _wrong(path: Path, what: str, hint: str = "") -> CommandError:
    return CommandError(f"{path}: {what}", hint=hint, code=ExitCode.USAGE)
