"""Where runs keep what is to be delivered: `<sojourn_dir>/pytest/<recording>`."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

EVENTS = "events.jsonl"
"""Name of a spool."""
_OURS = (EVENTS, "state.json", "state.new", "known.json", "known.new", "log")
_RUN = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}").fullmatch
_IGNORE, _IGNORED = ".gitignore", "# Made by `pytest --sojourn`.\n*\n"


def make_run_directory(base: Path, recording: str) -> Path:
    """A new directory for a run, below `base` or, where that cannot be written to, the system's temporary directory.

    Raises OSError.
    """
    try:
        return _make(base, recording)
    except OSError:
        return _make(elsewhere(base), recording)


def elsewhere(base: Path) -> Path:
    """What is used instead of a directory that cannot be written to."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    digest = hashlib.sha256(os.fsencode(base)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"sojourn-{user}-{digest}"


def _make(base: Path, recording: str) -> Path:
    directory = base / "pytest" / recording
    for _ in range(20):  # another run may just remove what it takes for empty
        try:
            _make_base(base)
            if hasattr(os, "getuid") and base.stat().st_uid != os.getuid():
                raise PermissionError(1, "it is somebody else's", str(base))
            (base / "pytest").mkdir(mode=0o700, exist_ok=True)
            directory.mkdir(mode=0o700)
        except FileNotFoundError:
            continue
        return directory
    raise FileNotFoundError(2, "it is removed again and again", str(base))


def _make_base(base: Path) -> None:
    try:
        base.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        return
    (base / _IGNORE).write_text(_IGNORED)


def remove_run(directory: Path) -> None:
    """Remove what is ours of a run's directory, and those around it that hold nothing else."""
    base = directory.parent.parent
    try:
        for path in directory.iterdir():
            if path.name in _OURS:
                path.unlink(missing_ok=True)
        directory.rmdir()
        directory.parent.rmdir()
        if [path.name for path in base.iterdir()] == [_IGNORE] and (base / _IGNORE).read_text() == _IGNORED:
            (base / _IGNORE).unlink()
            base.rmdir()
    except OSError:
        pass  # in use, or not ours


def run_directories(base: Path) -> Iterator[Path]:
    """The directories of runs whose spool was not delivered yet, oldest first."""
    yield from (directory for directory in _runs(base) if (directory / EVENTS).exists())


def remove_remains(base: Path, *, older_than: float = 600.0) -> None:
    """Remove what runs left behind whose spool was delivered when nobody waited for it any more."""
    for directory in _runs(base):
        try:
            if not (directory / EVENTS).exists() and time.time() - directory.stat().st_mtime > older_than:
                remove_run(directory)
        except OSError:
            continue


def _runs(base: Path) -> list[Path]:
    """The directories of runs, by age."""
    found = [path for place in (base, elsewhere(base)) for path in place.glob("pytest/*") if _RUN(path.name)]
    return sorted(found, key=lambda path: path.name)
