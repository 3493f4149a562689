"""Sessions as files: taken out and put in through the SDK, and files that nobody should have written."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from redis import Redis

import sojourn as sdk
from sojourn_server.archive.files import SessionFiles
from sojourn_server.domain.events import StoredEvent
from sojourn_server.domain.fold import Folded
from sojourn_server.ports.archives import ArchivedArtifact, ArtifactSource

from .waiting import wait_until

NOT_KEPT = {"uid", "cursor", "storage", "connection_count"}
"""What an imported session does not have in common with the exported one."""


async def exported(client: sdk.Client, session_id: str, **how: Any) -> bytes:
    """A session as the bytes of a file."""
    file = io.BytesIO()
    await client.session(session_id).export(file, **how)
    return file.getvalue()


async def imported(client: sdk.Client, data: bytes, **how: Any) -> sdk.ImportResult:
    """The bytes of a file as a session."""
    return await client.import_session(io.BytesIO(data), **how)


async def content(client: sdk.Client, session_id: str) -> dict[str, Any]:
    """All that a session is, but for where and under which names it is kept."""
    handle = await client.get_session(session_id)
    events = [event async for event in handle.events()]
    told = [event.model_dump(exclude={"cursor", "session_id"}) | {"changes": _changes(event)} for event in events]
    return {
        "session": handle.info.model_dump(exclude=NOT_KEPT),
        "events": told,
        "messages": [message.model_dump() async for message in handle.messages()],
        "invocations": [call.model_dump() async for call in handle.invocations()],
    }


def _changes(event: sdk.Event) -> list[Any]:
    return [change.model_dump(exclude={"uid"}) for change in event.changes]


async def read_archive(file: bytes) -> tuple[Folded, list[StoredEvent], list[tuple[str, bytes]]]:
    """The session in an archive, its events, its artifacts."""

    async def pieces() -> AsyncIterator[bytes]:
        yield file

    folded, events, artifacts = None, [], []
    async for part in SessionFiles().read(pieces()):
        match part:
            case Folded():
                folded = part
            case list():
                events += part
            case ArchivedArtifact():
                artifacts.append((part.sha256, b""))
            case bytes():
                sha256, data = artifacts[-1]
                artifacts[-1] = (sha256, data + part)
    assert folded is not None
    return folded, events, artifacts


async def write_archive(
    folded: Folded, events: Sequence[StoredEvent], artifacts: Sequence[tuple[str, bytes]] = ()
) -> bytes:
    """An archive of anything: each of its frames is right, whatever they are together."""

    async def pages() -> AsyncIterator[Sequence[StoredEvent]]:
        yield events

    async def sources() -> AsyncIterator[ArtifactSource]:
        for sha256, data in artifacts:

            async def pieces(data: bytes = data) -> AsyncIterator[bytes]:
                yield data

            yield ArtifactSource(sha256, len(data), pieces())

    return b"".join([piece async for piece in SessionFiles().write(folded, pages(), sources() if artifacts else None)])


def lines_of(*events: dict[str, Any], session_id: str = "x", uid: str = "00000000000000aa") -> bytes:
    """JSON lines of these events, with the right end."""
    header = {"sojourn_export": 1, "session_id": session_id, "uid": uid, "revision": max(len(events), 1)}
    data = b"".join(json.dumps(line).encode() + b"\n" for line in (header, *events))
    end = {"end": {"events": len(events), "sha256": hashlib.sha256(data).hexdigest()}}
    return data + json.dumps(end).encode() + b"\n"


def line(revision: int, *changes: dict[str, Any], session_id: str = "x", **fields: Any) -> dict[str, Any]:
    """An event as its line has it; a second after the one before."""
    time = f"2024-01-01T00:{revision // 60:02}:{revision % 60:02}Z"
    return {"sessionId": session_id, "revision": str(revision), "commitTime": time, "changes": changes} | fields


def created(**fields: Any) -> dict[str, Any]:
    """The change that every session begins with."""
    return {"sessionCreated": {"uid": "00000000000000aa", "kind": "session"} | fields}


def raw(document: bytes) -> dict[str, str]:
    """A JSON value."""
    return {"json": base64.b64encode(document).decode()}


def peak_memory(pid: int) -> int:
    """Most resident memory that the process ever had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


class Footprint:
    """What a deployment holds, whose data directory is `d` and whose blobs are in `blobs`: keys of sessions, rows,
    blobs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self._socket,) = folder.rglob("engine.sock")
        (self._catalog,) = (folder / "d").glob("*.db")
        self._blobs = folder / "blobs"

    def take(self) -> dict[str, Any]:
        """All of it, as it is now; the shards' marks go on by themselves."""
        with closing(Redis(unix_socket_path=str(self._socket))) as redis:
            keys = sorted(key for key in redis.scan_iter(count=10_000) if b"default/" in key)
        with closing(sqlite3.connect(f"file:{self._catalog}?mode=ro", uri=True)) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            others = ("texts", "sqlite", "shards")
            plain = [name for name in tables if "fts" not in name and not name.startswith(others)]
            rows = {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in plain}
        files = (path for path in self._blobs.rglob("*") if path.is_file() and path.suffix != ".lock")
        blobs = sorted(str(path.relative_to(self._blobs)) for path in files)
        return {"keys": keys, "rows": rows, "blobs": blobs}

    async def settled(self) -> dict[str, Any]:
        """All of it, once the catalog is up to date: what was written before shows."""

        async def quiet() -> dict[str, Any] | None:
            with closing(Redis(unix_socket_path=str(self._socket))) as redis:
                if any(redis.zcard(key) for key in redis.scan_iter(match="*:dirty", count=10_000)):
                    return None
            found = await asyncio.to_thread(self.take)
            await asyncio.sleep(0.05)
            return found if await asyncio.to_thread(self.take) == found else None

        return await wait_until(quiet)

    async def becomes(self, expected: dict[str, Any]) -> None:
        """Waits until it is this."""

        async def same() -> bool:
            return await asyncio.to_thread(self.take) == expected

        await wait_until(same)
