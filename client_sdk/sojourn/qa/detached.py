"""Contexts without a session: their screenshots are files."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256

from .context import Shared
from .directory import ResultsDirectory
from .screenshots import Screenshot, kind_of
from .settings import QASettings


def keep_screenshot(shared: Shared, node: str, phase: str, name: str | None, data: bytes) -> Screenshot:
    """Write a screenshot below the results directory. Raises OSError."""
    now = datetime.now(UTC)
    if shared.results_dir is None:
        base = QASettings.from_environment().results_dir
        shared.results_dir = ResultsDirectory.create(base, shared.test_name, now).path
    content_type, suffix = kind_of(data)
    name = name or f"{node or shared.test_name}-{phase or 'screenshot'}{suffix}"
    version = 1 + sum(each.name == name for each in shared.screenshots)
    file = ResultsDirectory(shared.results_dir).keep_screenshot(phase, name, version, suffix, data)
    taken = Screenshot(
        phase=phase,
        name=name,
        version=version,
        node=node,
        path=str(file),
        content_type=content_type,
        size_bytes=len(data),
        sha256=sha256(data).hexdigest(),
        time=now,
    )
    shared.screenshots.append(taken)
    return taken
