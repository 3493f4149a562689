"""Contexts without a session: their screenshots are files."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from . import screenshots
from .directory import ResultsDirectory
from .screenshots import Screenshot, Taken
from .settings import QASettings

if TYPE_CHECKING:
    from .context import Shared


def screenshot(shared: Shared, node: str, phase: str, source: object, name: str | None) -> Awaitable[Screenshot]:
    """Take a screenshot and write it below the results directory: now, unless the browser's API is async.

    Raises what `screenshots.take` does, and OSError.
    """
    taken = screenshots.take(source)
    if isinstance(taken, bytes):
        return Taken(_keep(shared, node, phase, name, taken))

    async def later() -> Screenshot:
        return _keep(shared, node, phase, name, screenshots.image(await taken))

    return later()


def _keep(shared: Shared, node: str, phase: str, name: str | None, data: bytes) -> Screenshot:
    now = datetime.now(UTC)
    if shared.results_dir is None:
        base = QASettings.from_environment().results_dir
        shared.results_dir = ResultsDirectory.create(base, shared.test_name, now).path
    content_type, suffix = screenshots.kind_of(data)
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
