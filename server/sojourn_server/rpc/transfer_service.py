"""The part of the SessionService that takes sessions out and in: parse, one use case, render."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from sojourn.v1 import transfer_pb2 as pb

from ..domain.errors import FileInvalidError, LimitExceededError, SojournError
from ..domain.limits import Limits
from ..usecases.exporting import Exporting
from ..usecases.importing import Imported, Importing
from . import parse_transfer as parse
from . import render
from .artifact_service import GO_AHEAD
from .chain import Call
from .inlets import Inlets
from .outlets import Outlets
from .parse import session_key
from .redaction import Redactions

MESSAGE_BYTES = 1 << 20
START_SECONDS = 120.0
DRAIN_SECONDS, DRAIN_BYTES = 20.0, 256 << 20
SLOWEST = 16 << 10
"""Bytes a second that a sender must keep up on average, once it had START_SECONDS."""


@dataclass(kw_only=True)
class TransferCalls:
    """One method an RPC, named like it; see the protos for what each promises."""

    exporting: Exporting
    importing: Importing
    redactions: Redactions
    outlets: Outlets
    inlets: Inlets
    limits: Limits

    async def export_session(self, request: pb.ExportSessionRequest, call: Call) -> None:
        key = session_key(call.tenant, request.session_id)
        keys, patterns = parse.redaction(request.redaction, self.limits)
        async with self.redactions.open(keys, patterns) as redactor:
            revision, data = await self.exporting.export(key, parse.export_query(request, redactor))
            with self.outlets.open(call.context) as outlet:
                async with aclosing(data) as pieces:  # type: ignore[type-var]
                    async for message in _messages(revision, pieces):
                        await outlet.write(message.SerializeToString())

    async def import_session(self, _: object, call: Call) -> pb.ImportSessionResponse:
        received = _Received(self.inlets, call.context)
        first = await received.next()
        query = parse.import_query(first)

        async def accepted() -> None:
            received.accepted = True
            await call.context.send_initial_metadata((GO_AHEAD,))

        try:
            imported = await self.importing.import_session(call.tenant, query, received.data(first.data), accepted)
        except SojournError:
            await received.drain()
            raise
        return _imported(imported)


def _imported(imported: Imported) -> pb.ImportSessionResponse:
    response = pb.ImportSessionResponse(
        source_session_id=imported.source_session_id, events=imported.events, artifacts=imported.artifacts
    )
    if imported.session.uid:
        render.fill_session(response.session, imported.session)
    else:  # it was not stored: there is nothing to resume at
        render.fill_session(response.session, replace(imported.session, uid="0", incarnation="0"))
        response.session.uid = ""
        response.session.ClearField("cursor")
    return response


async def _messages(revision: int, data: AsyncIterator[bytes]) -> AsyncIterator[pb.ExportSessionResponse]:
    """Messages of a good size, however the pieces of the file are."""
    held = b""
    async for piece in data:
        held += piece
        while len(held) >= MESSAGE_BYTES:
            yield pb.ExportSessionResponse(data=held[:MESSAGE_BYTES], revision=revision)
            held, revision = held[MESSAGE_BYTES:], 0
    if held or revision:
        yield pb.ExportSessionResponse(data=held, revision=revision)


class _Received:
    """The messages of an import; a sender that stops, or trickles, is not waited for."""

    def __init__(self, inlets: Inlets, context: Any) -> None:
        self._inlets = inlets
        self._context = context
        self._begun = monotonic()
        self._bytes = self._drained = 0
        self.accepted = False

    async def next(self) -> Any:
        """The next message; None at the end. Raises LimitExceededError, FileInvalidError."""
        message = await self._inlets.read(self._context)
        if monotonic() - self._begun > START_SECONDS + self._bytes / SLOWEST:
            raise FileInvalidError("the rest of the file did not come in time", problem="timeout")
        return message

    async def drain(self) -> None:
        """Takes some of what still comes: a sender that writes on after the answer may not get to read it. One that was
        not accepted waits for us."""
        until = monotonic() + DRAIN_SECONDS
        with suppress(LimitExceededError):
            while self.accepted and monotonic() < until and self._drained < DRAIN_BYTES:
                if (message := await self._inlets.read(self._context)) is None:
                    return
                self._drained += message.ByteSize() if isinstance(message, pb.ImportSessionRequest) else MESSAGE_BYTES

    async def data(self, first: bytes) -> AsyncIterator[bytes]:
        """The bytes of the file, those of the first message before all others."""
        yield first
        while (message := await self.next()) is not None:
            piece = parse.file_data(message)
            self._bytes += len(piece)
            yield piece
