"""The part of the fake service that finds: all sessions and invocations it has, page by page, whatever is asked for."""
# ruff: noqa: N802 - the methods are named by the protos

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from sojourn.v1 import event_pb2, search_pb2, session_pb2, session_service_pb2_grpc
from sojourn.v1 import session_service_pb2 as pb


def found_invocation(number: int, **fields: Any) -> search_pb2.Invocation:
    message = search_pb2.Invocation(session_id="s", id=f"i{number}", tool="git", **fields)
    message.start_time.FromSeconds(1_000 + number)
    return message


class FakeFinding(session_service_pb2_grpc.SessionServiceServicer):
    lag = 0.0
    """Seconds that the catalog is behind for calls that are not strong."""

    def __init__(self) -> None:
        super().__init__()
        self.logs: dict[str, list[event_pb2.Event]] = {}
        self.fragments: list[search_pb2.Fragment] = []
        """What is found in every session."""
        self.invocations: list[search_pb2.Invocation] = []

    async def ListSessions(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            ids, token = page(sorted(self.logs), request)
            response = pb.ListSessionsResponse(sessions=[self.session(each) for each in ids], next_page_token=token)
            self._tell_lag(request, response)
            return response

        return await self._answer("ListSessions", request, context, work)

    async def SearchSessions(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            ids, token = page(sorted(self.logs), request)
            response = search_pb2.SearchSessionsResponse(next_page_token=token)
            for session_id in ids:
                response.found.add(session=self.session(session_id), fragments=self.fragments)
            self._tell_lag(request, response)
            return response

        return await self._answer("SearchSessions", request, context, work)

    async def CountSessions(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            return search_pb2.CountSessionsResponse(count=len(self.logs))

        return await self._answer("CountSessions", request, context, work)

    async def ListInvocations(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            found, token = page(self.invocations, request)
            response = search_pb2.ListInvocationsResponse(invocations=found, next_page_token=token)
            self._tell_lag(request, response)
            return response

        return await self._answer("ListInvocations", request, context, work)

    async def GetInvocation(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            [found] = [each for each in self.invocations if each.id == request.invocation_id]
            return search_pb2.GetInvocationResponse(invocation=found, session=self.session(request.session_id))

        return await self._answer("GetInvocation", request, context, work)

    def _tell_lag(self, request: Any, response: Any) -> None:
        lag = self.lag if request.consistency != search_pb2.CONSISTENCY_STRONG else 0
        response.lag.FromTimedelta(timedelta(seconds=lag))

    def session(self, session_id: str) -> session_pb2.Session:
        raise NotImplementedError

    async def _answer(self, method: str, request: Any, context: Any, work: Callable[..., Awaitable[Any]]) -> Any:
        raise NotImplementedError


def page(items: list[Any], request: Any) -> tuple[list[Any], str]:
    """At most three of them, and the token of the next page."""
    start = int(request.page_token or 0)
    end = start + min(request.page_size, 3)
    return items[start:end], str(end) if end < len(items) else ""
