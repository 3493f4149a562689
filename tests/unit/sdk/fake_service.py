"""A SessionService that keeps sessions in memory and fails on demand, behind a real gRPC server.

It knows just enough of the contract for the SDK's own rules to be seen: revisions, idempotency keys, batches, pages.
What each call does beside its normal work is planned with `plan`; watches are scripted with `script`.
"""
# ruff: noqa: N802 - the methods are named by the protos

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

from sojourn.v1 import error_reason_pb2, event_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb
from tests.unit.sdk.fake_finding import FakeFinding
from tests.unit.sdk.fake_tracking import FakeTracking

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

Work = Callable[[], Awaitable[Any]]
Step = Callable[[Work, Any], Awaitable[Any]]
Script = Callable[[Any, Any], AsyncIterator[Any]]


def cursor(revision: int) -> session_pb2.Cursor:
    return session_pb2.Cursor(token=f"c{revision}")


def event(session_id: str, revision: int, text: str = "") -> event_pb2.Event:
    message = event_pb2.Event(session_id=session_id, revision=revision, cursor=cursor(revision))
    message.commit_time.FromDatetime(EPOCH + timedelta(seconds=revision))
    message.changes.add().log_appended.text = text or f"line {revision}"
    return message


def item_status(reason: str, code: grpc.StatusCode, **metadata: str) -> pb.ItemStatus:
    number = error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")
    return pb.ItemStatus(code=code.value[0], message=f"{reason} happened", reason=number, metadata=metadata)


async def abort(
    context: Any,
    code: grpc.StatusCode,
    reason: str = "",
    *,
    retry_after: float | None = None,
    **metadata: str,
) -> None:
    """End a call as the real service does: with an ErrorInfo, and a RetryInfo when it should be tried again."""
    status = status_pb2.Status(code=getattr(code_pb2, code.name), message=f"{reason or code.name} happened")
    if reason:
        info = error_details_pb2.ErrorInfo(reason=reason, domain="sojourn.dev", metadata=metadata)
        status.details.add().Pack(info)
    if retry_after is not None:
        delay = Duration()
        delay.FromTimedelta(timedelta(seconds=retry_after))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(code, status.message, trailing_metadata=trailers)


def fail(code: grpc.StatusCode, reason: str = "", *, retry_after: float | None = None, **metadata: str) -> Step:
    """Nothing is done; the call fails."""

    async def step(_work: Work, context: Any) -> None:
        await abort(context, code, reason, retry_after=retry_after, **metadata)

    return step


def lose(code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE, reason: str = "") -> Step:
    """The work is done, and its answer lost."""

    async def step(work: Work, context: Any) -> None:
        await work()
        await abort(context, code, reason)

    return step


def hold(gate: asyncio.Event) -> Step:
    """The work is done when the gate opens."""

    async def step(work: Work, _context: Any) -> Any:
        await gate.wait()
        return await work()

    return step


def refuse(index: int, status: pb.ItemStatus) -> Step:
    """One item of a batch of writes is refused, the others are done."""

    async def step(work: Callable[..., Awaitable[Any]], _context: Any) -> Any:
        return await work(refused={index: status})

    return step


class FakeService(FakeFinding, FakeTracking):
    def __init__(self) -> None:
        super().__init__()
        self.logs: dict[str, list[event_pb2.Event]] = {}
        self.calls: list[tuple[str, Any]] = []
        self.metadata: list[dict[str, str]] = []
        self.ended_watches = 0
        self.statuses: dict[str, int] = {}
        self._plans: dict[str, deque[Step]] = {}
        self._scripts: deque[Script] = deque()
        self._results: dict[tuple[str, str], Any] = {}

    def plan(self, method: str, *steps: Step) -> None:
        """What the next calls of the method do, one step each; later ones do their normal work."""
        self._plans.setdefault(method, deque()).extend(steps)

    def script(self, *scripts: Script) -> None:
        """What the next watches send, one script each."""
        self._scripts.extend(scripts)

    def requests(self, method: str) -> list[Any]:
        """Requests of a method, in the order they arrived."""
        return [request for name, request in self.calls if name == method]

    def add_session(self, session_id: str, revision: int = 1) -> None:
        self.logs[session_id] = [event(session_id, number) for number in range(1, revision + 1)]

    def texts(self, session_id: str) -> list[str]:
        """The log lines of a session, in their order."""
        return [change.log_appended.text for item in self.logs[session_id] for change in item.changes]

    async def _answer(self, method: str, request: Any, context: Any, work: Callable[..., Awaitable[Any]]) -> Any:
        self.calls.append((method, request))
        self.metadata.append(dict(context.invocation_metadata()))
        plan = self._plans.get(method)
        return await (plan.popleft()(work, context) if plan else work())

    async def CreateSession(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            known = self._results.get(("", request.idempotency_key))
            if known is not None:
                return known
            session_id = request.session_id or f"minted-{len(self.logs)}"
            created = session_id not in self.logs
            if not created and request.if_exists != pb.IF_EXISTS_RETURN:
                await abort(context, grpc.StatusCode.ALREADY_EXISTS, "SESSION_ALREADY_EXISTS", session_id=session_id)
            if created:
                self.add_session(session_id)
            response = pb.CreateSessionResponse(session=self.session(session_id), created=created)
            self._results["", request.idempotency_key] = response
            return response

        return await self._answer("CreateSession", request, context, work)

    async def BatchGetSessions(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            response = pb.BatchGetSessionsResponse()
            for session_id in request.session_ids:
                if session_id in self.logs:
                    response.items.add(session=self.session(session_id))
                else:
                    response.items.add(
                        status=item_status("SESSION_NOT_FOUND", grpc.StatusCode.NOT_FOUND, session_id=session_id)
                    )
            return response

        return await self._answer("BatchGetSessions", request, context, work)

    async def BatchWriteSessions(self, request: Any, context: Any) -> Any:
        async def work(refused: dict[int, pb.ItemStatus] | None = None) -> Any:
            response = pb.BatchWriteSessionsResponse()
            for index, write in enumerate(request.writes):
                if refused and index in refused:
                    response.items.add(status=refused[index])
                else:
                    response.items.add(**self._write(write))
            return response

        return await self._answer("BatchWriteSessions", request, context, work)

    async def CompleteSession(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            change = event_pb2.Change(
                status_changed=event_pb2.StatusChanged(status=request.status, error=request.error)
            )
            write = pb.WriteSessionRequest(
                session_id=request.session_id, changes=[change], idempotency_key=request.idempotency_key
            )
            return pb.CompleteSessionResponse(write=self._write(write)["result"])

        return await self._answer("CompleteSession", request, context, work)

    async def DeleteSession(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            return pb.DeleteSessionResponse(revision=len(self.logs.pop(request.session_id)))

        return await self._answer("DeleteSession", request, context, work)

    async def ListEvents(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            start = int(request.page_token or 0)
            end = start + min(request.page_size, 3)
            kinds = {event_pb2.ChangeKind.Name(kind).removeprefix("CHANGE_KIND_").lower() for kind in request.kinds}
            log = [item for item in self.logs[request.session_id] if item.revision > request.after.revision]
            chosen = [
                item
                for item in log[start:end]
                if not kinds or kinds & {change.WhichOneof("kind") for change in item.changes}
            ]
            return pb.ListEventsResponse(events=chosen, next_page_token=str(end) if end < len(log) else "")

        return await self._answer("ListEvents", request, context, work)

    async def WatchSession(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async for message in self._watch("WatchSession", request, context):
            yield message

    async def WatchSessions(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async for message in self._watch("WatchSessions", request, context):
            yield message

    async def _watch(self, method: str, request: Any, context: Any) -> AsyncIterator[Any]:
        self.calls.append((method, request))
        script = self._scripts.popleft()
        try:
            async for message in script(request, context):
                yield message
        finally:
            self.ended_watches += 1

    def session(self, session_id: str) -> session_pb2.Session:
        revision = len(self.logs[session_id])
        session = session_pb2.Session(
            id=session_id,
            uid=f"uid-{session_id}",
            kind="session",
            status=self.statuses.get(session_id, session_pb2.SESSION_STATUS_ACTIVE),
            revision=revision,
            cursor=cursor(revision),
        )
        session.create_time.FromDatetime(EPOCH)
        session.update_time.FromDatetime(EPOCH + timedelta(seconds=revision))
        return session

    def _write(self, write: pb.WriteSessionRequest) -> dict[str, Any]:
        log = self.logs.get(write.session_id)
        if log is None:
            status = item_status("SESSION_NOT_FOUND", grpc.StatusCode.NOT_FOUND, session_id=write.session_id)
            return {"status": status}
        known = self._results.get((write.session_id, write.idempotency_key))
        if known is not None:
            replay = pb.WriteSessionResponse()
            replay.CopyFrom(known)
            replay.replayed = True
            return {"result": replay}
        revision = len(log) + 1
        committed = event(write.session_id, revision)
        del committed.changes[:]
        committed.changes.extend(write.changes)
        committed.writer = write.writer
        log.append(committed)
        result = pb.WriteSessionResponse(
            revision=revision,
            commit_time=committed.commit_time,
            cursor=cursor(revision),
            durability=session_pb2.DURABILITY_LOCAL_FSYNC,
        )
        self._results[write.session_id, write.idempotency_key] = result
        return {"result": result}
