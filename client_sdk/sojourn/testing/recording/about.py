"""What is known of a run before it begins."""

from __future__ import annotations

import platform
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from .texts import bounded

_ARGUMENT_BYTES = 16_384
_LOOKS_UP = 12


def metadata(rootdir: Path, arguments: Sequence[str], pytest_version: str) -> dict[str, object]:
    """Metadata of the run's session."""
    told: dict[str, object] = {
        "rootdir": bounded(rootdir.name, 256),
        "pytest": pytest_version,
        "python": platform.python_version(),
        "platform": sys.platform,
        "machine": platform.machine(),
        "host": bounded(socket.gethostname(), 256),
        "argv": bounded(" ".join(arguments), _ARGUMENT_BYTES),
    }
    commit, branch = git_head(rootdir)
    if commit:
        told["git_commit"] = commit
    if branch:
        told["git_branch"] = bounded(branch, 256)
    return told


def git_head(directory: Path) -> tuple[str, str]:
    """Commit and branch that are checked out where `directory` is; empty where there is none, or none can be told.

    Reads git's files: starting git would take longer than many a test run.
    """
    try:
        git = _git_directory(directory)
        if git is None:
            return "", ""
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head, ""
        ref = head.removeprefix("ref: ")
        return _commit(git, ref), ref.removeprefix("refs/heads/")
    except (OSError, UnicodeDecodeError):
        return "", ""


def _git_directory(directory: Path) -> Path | None:
    for place in [directory, *directory.parents][:_LOOKS_UP]:
        git = place / ".git"
        if git.is_dir():
            return git
        if git.is_file():  # a worktree, a submodule
            return place / git.read_text().strip().removeprefix("gitdir: ")
    return None


def _commit(git: Path, ref: str) -> str:
    common = git / "commondir"
    homes = [git, git / common.read_text().strip()] if common.is_file() else [git]
    for home in homes:
        if (home / ref).is_file():
            return (home / ref).read_text().strip()
    for home in homes:
        packed = home / "packed-refs"
        if packed.is_file():
            for line in packed.read_text().splitlines():
                commit, _, name = line.partition(" ")
                if name == ref:
                    return commit
    return ""
