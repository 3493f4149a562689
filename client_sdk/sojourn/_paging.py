"""Lists that are read page by page while they are iterated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from .changes import InvocationFinished, InvocationStarted, MessageAppended
from .enums import InvocationStatus
from .models import Event, Invocation, Message

T = TypeVar("T")

PAGE_SIZE = 200
"""Most items asked for at a time."""


async def paged(fetch: Callable[[int, str], Awaitable[tuple[list[T], str]]], limit: int | None) -> AsyncIterator[T]:
    """The items of `fetch(page_size, page_token)`, page after page, at most `limit` of them."""
    token, left = "", limit
    while left is None or left > 0:
        items, token = await fetch(PAGE_SIZE if left is None else min(PAGE_SIZE, left), token)
        for item in items[:left]:
            yield item
        if left is not None:
            left -= len(items)
        if not token:
            return


async def messages(events: AsyncIterator[Event], limit: int | None) -> AsyncIterator[Message]:
    """The messages in the events, at most `limit` of them."""
    count = 0
    async for event in events:
        for change in event.changes:
            if not isinstance(change, MessageAppended):
                continue
            if limit is not None and count >= limit:
                return
            count += 1
            yield Message(
                role=change.role,
                content=change.content,
                parts=change.parts,
                tool_name=change.tool_name,
                invocation_id=change.invocation_id,
                usage=change.usage,
                revision=event.revision,
                time=event.commit_time,
            )
            if count == limit:
                return


async def invocations(events: AsyncIterator[Event]) -> AsyncIterator[Invocation]:
    """The invocations in the events, in the order they were started; those not finished come as running."""
    # In order of their start. The first is handed out once it is finished; behind a long one, others wait for it.
    known: dict[str, Invocation] = {}
    async for event in events:
        for change in event.changes:
            if isinstance(change, InvocationStarted):
                known[change.invocation_id] = _started(event, change)
            elif isinstance(change, InvocationFinished):
                start = known.get(change.invocation_id)
                known[change.invocation_id] = _finished(event, change, start)
        while known:
            first = next(iter(known.values()))
            if first.status is InvocationStatus.RUNNING:
                break
            yield known.pop(first.id)
    for invocation in known.values():
        yield invocation


def _started(event: Event, change: InvocationStarted) -> Invocation:
    return Invocation(
        session_id=event.session_id,
        id=change.invocation_id,
        tool=change.tool,
        arguments=change.arguments,
        request_id=change.request_id,
        started_revision=event.revision,
        started_time=event.commit_time,
    )


def _finished(event: Event, change: InvocationFinished, start: Invocation | None) -> Invocation:
    duration = change.duration
    if duration is None and start is not None and start.started_time is not None:
        duration = event.commit_time - start.started_time
    return (start or Invocation(session_id=event.session_id, id=change.invocation_id)).model_copy(
        update={
            "tool": change.tool or (start.tool if start is not None else ""),
            "result": change.result,
            "status": change.status,
            "error": change.error,
            "duration": duration,
            "cost": change.usage.cost if change.usage is not None else 0.0,
            "usage": change.usage,
            "finished_revision": event.revision,
            "finished_time": event.commit_time,
        }
    )
