"""The SessionService: parse, one use case, render."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from sojourn.v1 import session_service_pb2 as pb

from ..domain.errors import PositionError
from ..domain.events import Durability
from ..domain.limits import check_label, check_text
from ..ports import ActiveStore
from ..usecases.history import History
from ..usecases.watching import Message, Progress, Watching
from . import parse, render
from .chain import Call
from .outlets import Outlets
from .pages import encode_offset
from .request_service import RequestCalls
from .search_service import SearchCalls
from .statistics_service import StatisticsCalls
from .template_service import TemplateCalls
from .tier_service import TierCalls
from .transfer_service import TransferCalls


@dataclass(kw_only=True)
class SessionServicer(RequestCalls, SearchCalls, StatisticsCalls, TemplateCalls, TierCalls, TransferCalls):
    """One method an RPC, named like it; see the protos for what each promises."""

    store: ActiveStore
    history: History
    watching: Watching
    outlets: Outlets
    shards: int

    @property
    def _durability(self) -> Durability:
        return self.store.durability

    async def create_session(self, request: pb.CreateSessionRequest, call: Call) -> pb.CreateSessionResponse:
        asked = parse.new_session(request, self.limits)
        new = await self.templates.fill(call.tenant, parse.template_name(request), asked)
        session, created = await self.sessions.create(call.tenant, new)
        response = pb.CreateSessionResponse(created=created, durability=render.durability(self._durability))
        render.fill_session(response.session, session)
        return response

    async def get_session(self, request: pb.GetSessionRequest, call: Call) -> pb.GetSessionResponse:
        full = parse.full_view(request.view)
        session = await self.sessions.get(parse.session_key(call.tenant, request.session_id), full=full)
        response = pb.GetSessionResponse()
        render.fill_session(response.session, session, full=full)
        return response

    async def batch_get_sessions(self, request: pb.BatchGetSessionsRequest, call: Call) -> pb.BatchGetSessionsResponse:
        full = parse.full_view(request.view)
        keys = parse.session_keys(call.tenant, request.session_ids, self.limits)
        return render.batch_read(await self.sessions.get_many(keys, full=full), full=full)

    async def write_session(self, request: pb.WriteSessionRequest, call: Call) -> pb.WriteSessionResponse:
        committed = await self.store.write(parse.write(call.tenant, request, self.limits))
        return render.written(committed, self._durability)

    async def batch_write_sessions(
        self, request: pb.BatchWriteSessionsRequest, call: Call
    ) -> pb.BatchWriteSessionsResponse:
        writes = parse.writes(call.tenant, request.writes, self.limits)
        return render.batch_written(await self.sessions.write_many(writes), self._durability)

    async def complete_session(self, request: pb.CompleteSessionRequest, call: Call) -> pb.CompleteSessionResponse:
        committed = await self.sessions.complete(
            parse.session_key(call.tenant, request.session_id),
            parse.ending(request),
            check_text(request.error, "error", self.limits.error_bytes),
            writer=check_label(request.writer, "writer", self.limits.writer_bytes),
            precondition=parse.precondition(request.precondition),
            idempotency_key=parse.idempotency_key(request.idempotency_key),
        )
        return pb.CompleteSessionResponse(write=render.written(committed, self._durability))

    async def delete_session(self, request: pb.DeleteSessionRequest, call: Call) -> pb.DeleteSessionResponse:
        revision = await self.sessions.delete(
            parse.session_key(call.tenant, request.session_id),
            expected_revision=parse.expected_revision(request),
            idempotency_key=parse.idempotency_key(request.idempotency_key),
        )
        return pb.DeleteSessionResponse(revision=revision, durability=render.durability(self._durability))

    async def list_events(self, request: pb.ListEventsRequest, call: Call) -> bytes:
        query, bound = parse.events_query(call.tenant, request, self.limits)
        page = await self.history.events(parse.session_key(call.tenant, request.session_id), query)
        return render.events_page(page.events, encode_offset(page.scanned, bound) if page.more else "")

    async def watch_session(self, request: pb.WatchSessionRequest, call: Call) -> None:
        key = parse.session_key(call.tenant, request.session_id)
        query = parse.watch_query(request)
        await self._stream(self.watching.session(key, query), call, key.session_id)

    async def watch_sessions(self, request: pb.WatchSessionsRequest, call: Call) -> None:
        query = parse.tenant_watch_query(request, self.limits, self.shards)
        await self._stream(self.watching.tenant(call.tenant, query), call)

    async def _stream(self, messages: AsyncGenerator[Message], call: Call, session_id: str = "") -> None:
        """Writes a watch until it ends; whatever ends it, the watch is closed before we return."""
        marker: Progress | None = None
        with self.outlets.open(call.context) as outlet:
            async with aclosing(messages):
                async for message in messages:
                    for piece in render.watch_messages(message):
                        try:
                            await outlet.write(piece)
                        except PositionError as error:
                            if session_id:
                                # gRPC has the piece, and delivers it before the error should the watcher read on.
                                error.metadata.update(session_id=session_id, cursor=render.place_after(piece))
                            elif marker:
                                error.metadata["cursor"] = marker.cursor.encode()
                            raise
                    if type(message) is Progress:
                        marker = message
