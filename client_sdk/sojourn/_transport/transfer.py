"""The calls that take sessions out of a deployment and into another: files as streams of bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc

from sojourn.v1 import transfer_pb2 as pb

from .. import models
from ..errors import DeadlineExceededError, ServerUnreachableError
from . import faults, parse
from .values import invalid

if TYPE_CHECKING:
    from .calls import Calls

ExportRequest: TypeAlias = pb.ExportSessionRequest
ImportHeader: TypeAlias = pb.ImportHeader

IMPORT_SECONDS = 900.0
"""How long the server may take from the last byte to its answer: it stores all of it then."""
_ACCEPTED = "sojourn-accepted"
_STATUS_LOST = "Internal error from Core"
_FORMATS: dict[str, Any] = {"archive": pb.EXPORT_FORMAT_ARCHIVE, "jsonl": pb.EXPORT_FORMAT_JSON_LINES}


def export_request(
    session_id: str,
    file_format: str,
    *,
    artifacts: bool,
    redact_keys: Iterable[str],
    redact_patterns: Iterable[str],
) -> pb.ExportSessionRequest:
    """What to export. Raises InvalidFieldError."""
    if file_format not in _FORMATS:
        raise invalid("format", f"one of {', '.join(_FORMATS)}")
    request = pb.ExportSessionRequest(session_id=session_id, include_artifacts=artifacts, format=_FORMATS[file_format])
    request.redaction.keys.extend(redact_keys)
    request.redaction.patterns.extend(redact_patterns)
    return request


def import_header(session_id: str | None, *, new_id: bool, dry_run: bool) -> pb.ImportHeader:
    """What becomes of a file."""
    return pb.ImportHeader(session_id=session_id or "", new_id=new_id, dry_run=dry_run)


class TransferCalls:
    """The methods about files, on the channel of `Calls`. `timeout` is for each step, not for all."""

    def __init__(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...], calls: Calls) -> None:
        self._metadata = metadata
        self._calls = calls
        self._export: Any = channel.unary_stream(
            calls.path("ExportSession"),
            request_serializer=pb.ExportSessionRequest.SerializeToString,
            response_deserializer=pb.ExportSessionResponse.FromString,
        )
        self._import: Any = channel.stream_unary(
            calls.path("ImportSession"),
            request_serializer=pb.ImportSessionRequest.SerializeToString,
            response_deserializer=pb.ImportSessionResponse.FromString,
        )

    async def export_session(
        self, request: pb.ExportSessionRequest, timeout: float
    ) -> AsyncGenerator[tuple[int, bytes], None]:
        """The file in pieces, with the revision of the session."""
        self._calls.raise_if_closed()
        call = self._export(request, metadata=self._metadata)
        revision = 0
        try:
            while True:
                with self._translated():
                    async with asyncio.timeout(timeout):
                        message = await call.read()
                if message is grpc.aio.EOF:
                    return
                revision = message.revision or revision
                yield revision, message.data
        finally:
            call.cancel()

    async def import_session(
        self, header: pb.ImportHeader, pieces: AsyncIterator[bytes], timeout: float
    ) -> models.ImportResult:
        """Send a file: its first piece, and the rest once the server wants it."""
        self._calls.raise_if_closed()
        call = self._import(metadata=self._metadata)
        clock = asyncio.get_running_loop().time
        with self._translated():
            try:
                async with asyncio.timeout(timeout) as patience:
                    first = await anext(pieces, b"")
                    await call.write(pb.ImportSessionRequest(header=header, data=first))
                    following = await anext(pieces, None)
                    if following is None or _ACCEPTED in dict(await call.initial_metadata()):
                        while following is not None:
                            await call.write(pb.ImportSessionRequest(data=following))
                            patience.reschedule(clock() + timeout)
                            following = await anext(pieces, None)
                        await call.done_writing()
                        patience.reschedule(clock() + IMPORT_SECONDS)
                    response = await call
            except asyncio.InvalidStateError:
                response = await call  # it is over: this says why
            finally:
                call.cancel()
        return models.ImportResult(
            session=parse.session(response.session),
            source_session_id=response.source_session_id,
            events=response.events,
            artifacts=response.artifacts,
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            if error.details() == _STATUS_LOST:
                raise ServerUnreachableError("the stream ended when it was written to") from None
            raise faults.from_rpc(error) from None
        except TimeoutError:
            raise DeadlineExceededError("the server took too long for a part of the file") from None
        except asyncio.CancelledError:
            self._calls.raise_if_closed()
            raise
