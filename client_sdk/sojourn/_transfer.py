"""Sessions as files: written, and read in again."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ._client_parts import Connected
from ._transport import faults
from ._transport.transfer import ExportRequest, ImportHeader, export_request, import_header
from ._transport.values import invalid
from .config import seconds
from .errors import SojournError
from .models import ExportResult, ImportResult

if TYPE_CHECKING:
    from ._core import Core
    from .artifacts import Told

PIECE = 1 << 20


async def export(
    core: Core,
    session_id: str,
    target: str | os.PathLike[str] | BinaryIO,
    file_format: str,
    *,
    artifacts: bool,
    redact_keys: Iterable[str],
    redact_patterns: Iterable[str],
    progress: Told | None,
) -> ExportResult:
    """Write a session to a file. A file that is named by its path is there whole, or is as it was."""
    request = export_request(
        session_id, file_format, artifacts=artifacts, redact_keys=redact_keys, redact_patterns=redact_patterns
    )
    told = progress or (lambda done, total: None)
    if not isinstance(target, str | os.PathLike):
        return await _write(core, request, target, told, seconds(core.behaviour.timeouts.total))
    path = Path(target)
    if await asyncio.to_thread(path.is_dir):
        raise IsADirectoryError(f"{path} is a directory: name the file")
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")

    async def attempt(timeout: float) -> ExportResult:
        with await asyncio.to_thread(part.open, "wb") as file:
            return await _write(core, request, file, told, timeout)

    try:
        result = await core.call(attempt)
        await asyncio.to_thread(os.replace, part, path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    return result


async def _write(core: Core, request: ExportRequest, file: BinaryIO, told: Told, timeout: float) -> ExportResult:
    size = exported = 0
    async with aclosing(core.calls.transfer.export_session(request, timeout)) as messages:
        async for revision, data in messages:
            await asyncio.to_thread(file.write, data)
            exported, size = revision, size + len(data)
            told(size, None)
    await asyncio.to_thread(file.flush)
    return ExportResult(session_id=request.session_id, revision=exported, size_bytes=size)


async def import_session(
    core: Core,
    source: str | os.PathLike[str] | BinaryIO,
    session_id: str | None,
    *,
    new_id: bool,
    dry_run: bool,
    progress: Told | None,
) -> ImportResult:
    """Read a session from a file, once: it is not tried again."""
    if new_id and session_id:
        raise invalid("new_id", "false, with a session_id")
    header = import_header(session_id, new_id=new_id, dry_run=dry_run)
    if isinstance(source, str | os.PathLike):
        with await asyncio.to_thread(Path(source).open, "rb") as file:
            return await _send(core, header, file, progress)
    return await _send(core, header, source, progress)


async def _send(core: Core, header: ImportHeader, file: BinaryIO, progress: Told | None) -> ImportResult:
    told = progress or (lambda done, total: None)
    try:
        async with aclosing(_pieces(file, told)) as pieces:  # type: ignore[type-var]
            return await core.calls.transfer.import_session(header, pieces, seconds(core.behaviour.timeouts.total))
    except SojournError as error:
        if faults.may_have_happened(error) and not header.dry_run:
            raise faults.outcome_unknown(error, header.session_id, "") from error
        raise


async def _pieces(file: BinaryIO, told: Told) -> AsyncIterator[bytes]:
    total: int | None = None
    with suppress(OSError, ValueError, AttributeError):
        total = os.fstat(file.fileno()).st_size
    done = 0
    while piece := await asyncio.to_thread(_read, file):
        yield piece
        done += len(piece)
        told(done, total)


def _read(file: BinaryIO) -> bytes:
    """A whole piece, however little a read gives; less only at the end. The server must see the file's beginning in the
    first before it wants the rest."""
    found: list[bytes] = []
    left = PIECE
    while left and (data := file.read(left)):
        found.append(data)
        left -= len(data)
    return b"".join(found)


class TransferMethods(Connected):
    """Sessions out of files."""

    async def import_session(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        *,
        session_id: str | None = None,
        new_id: bool = False,
        dry_run: bool = False,
        progress: Told | None = None,
    ) -> ImportResult:
        """Store a session from a file that `SessionHandle.export` wrote, here or on another deployment: whole or not at
        all.

            imported = await client.import_session("run-7.sojourn", new_id=True)
            session = client.session(imported.session.id)

        Its history, state, counters and status are those of the exported session; requests that were live are lost.
        Its uid is new.

        Args:
            source: a path, or a binary file, open for reading.
            session_id: id it gets. None: the one in the file.
            new_id: it gets a new id.
            dry_run: check the file and say what is in it; store nothing.
            progress: called with the bytes sent and how many there are.

        Raises FileInvalidError, TooLargeError, SessionAlreadyExistsError, LimitExceededError, CatalogUnavailableError,
        BlobsUnavailableError, OSError. It is not tried again: after OutcomeUnknownError look for the session.
        """
        return await import_session(self._live(), source, session_id, new_id=new_id, dry_run=dry_run, progress=progress)
