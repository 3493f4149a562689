"""A session as a directory, for people and scripts.

    <id>/metadata.json               the session, with its state and results
    <id>/conversation.jsonl          a message a line
    <id>/events.jsonl                an event a line
    <id>/invocations/<n>-<tool>-<id>.json
    <id>/artifacts/<name>/<version>
    <id>/by-tool/<tool>/...          links to the invocations, by tool

No name in a session can be a path out of the directory.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from . import _paging
from .errors import ArtifactNotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .artifacts import Told
    from .models import Artifact, Event, Invocation, Session
    from .session import SessionHandle

_UNSAFE = re.compile(r"[^A-Za-z0-9._@+=-]+")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?").fullmatch
MOST_CHARACTERS = 80


def safe_name(text: str) -> str:
    """A file name for any text: one path segment on every system. Texts that differ have names that differ."""
    safe = _UNSAFE.sub("_", text)[:MOST_CHARACTERS].lstrip(".").rstrip(". ")
    if safe == text and safe and not _RESERVED(safe):
        return safe
    return f"{safe or '_'}~{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"


async def export_directory(
    session: SessionHandle, path: str | os.PathLike[str], *, artifacts: bool, progress: Told | None
) -> Path:
    """Write the session below `path`; the directory made. Raises FileExistsError when it is there already."""
    told = progress or (lambda done, total: None)
    info = await session.refresh()
    root = Path(path) / safe_name(session.id)
    await asyncio.to_thread(_begin, root, info)
    events = session.events(before=info.revision + 1)
    calls = await _write_events(root, info, events, told)
    await asyncio.to_thread(_write_invocations, root, calls)
    if artifacts:
        await _write_artifacts(root, session)
    return root


def _begin(root: Path, info: Session) -> None:
    root.mkdir(parents=True)
    _write_json(root / "metadata.json", info.model_dump(mode="json"))


async def _write_events(root: Path, info: Session, events: AsyncIterator[Event], told: Told) -> list[Invocation]:
    """Writes the log and the conversation; the invocations, in the order they were started."""
    with await asyncio.to_thread((root / "events.jsonl").open, "w", encoding="utf-8") as log:

        async def each() -> AsyncIterator[Event]:
            async for event in events:
                _write_line(log, event.model_dump(mode="json"))
                told(event.revision, info.revision)
                yield event

        talk = await asyncio.to_thread((root / "conversation.jsonl").open, "w", encoding="utf-8")
        with talk:
            return [call async for call in _paging.invocations(_conversation(each(), talk))]


async def _conversation(events: AsyncIterator[Event], talk: IO[str]) -> AsyncIterator[Event]:
    """Hands events on, having written their messages."""
    async for event in events:

        async def one(event: Event = event) -> AsyncIterator[Event]:
            yield event

        async for message in _paging.messages(one(), None):
            _write_line(talk, message.model_dump(mode="json"))
        yield event


def _write_invocations(root: Path, calls: Iterable[Invocation]) -> None:
    (root / "invocations").mkdir()
    for number, call in enumerate(calls, 1):
        name = f"{number:04}-{safe_name(call.tool)}-{safe_name(call.id)}.json"
        file = root / "invocations" / name
        _write_json(file, call.model_dump(mode="json"))
        view = root / "by-tool" / safe_name(call.tool)
        view.mkdir(parents=True, exist_ok=True)
        try:
            (view / name).symlink_to(Path("..", "..", "invocations", name))
        except (OSError, NotImplementedError):  # no links here
            shutil.copyfile(file, view / name)


async def _write_artifacts(root: Path, session: SessionHandle) -> None:
    """Those whose bytes are in the blob store; of one that was attached twice in a version, the last."""
    known: dict[tuple[str, int], Artifact] = {}
    async for artifact in session.artifacts():
        known[artifact.name, artifact.version] = artifact
    for artifact in known.values():
        if artifact.uri or not artifact.sha256:
            continue
        folder = root / "artifacts" / safe_name(artifact.name)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        try:
            await session.download_artifact(
                artifact.name, folder / str(artifact.version), version=artifact.version or None
            )
        except ArtifactNotFoundError:
            continue  # its bytes are kept elsewhere


def _write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _write_line(file: IO[str], document: Any) -> None:
    file.write(json.dumps(document, ensure_ascii=False) + "\n")
