"""The recorded conversations as writes of the store, as a client's calls would bring them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

from sojourn._transport import render_changes
from sojourn.cli.conversations import Conversation, parse_line
from sojourn.cli.openai_format import MessageWrite
from sojourn.v1 import event_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn_server.domain import changes as ch
from sojourn_server.domain.effects import effects_of
from sojourn_server.domain.events import Write
from sojourn_server.domain.limits import Limits
from sojourn_server.rpc import parse
from sojourn_server.rpc.changes import ProtoCodec

from .recordings import recorded_lines
from .sessions import Desk, committed

LIMITS = Limits()


def conversations(count: int) -> list[Conversation]:
    """The first recorded conversations."""
    lines = recorded_lines()[:count]
    return [parse_line(number, json.dumps(line).encode()) for number, line in enumerate(lines, 1)]


def message_write(desk: Desk, sid: str, message: MessageWrite) -> Write:
    """The write that a message becomes."""
    batch = render_changes.new_write(sid, writer="replay", idempotency_key="")
    render_changes.add_message(
        batch, message.role, message.content, parts=message.parts, tool_name=message.tool_name,
        invocation_id=message.invocation_id, usage=None,
    )  # fmt: skip
    for started in message.started:
        render_changes.start_invocation(
            batch, started.invocation_id, started.tool, arguments=started.arguments, request_id=None
        )
    if message.finished is not None:
        answer = message.finished
        render_changes.finish_invocation(
            batch, answer.invocation_id, answer.tool, status="succeeded", result=answer.result, error=None,
            duration=None, cost=None, usage=None,
        )  # fmt: skip
    return from_wire(desk, batch.writes[0])


def from_wire(desk: Desk, request: pb.WriteSessionRequest) -> Write:
    """What a caller asks for, ready for the store."""
    return parse.write(desk.tenant, request, LIMITS)


def changes_write(desk: Desk, sid: str, *changes: event_pb2.Change) -> Write:
    """A write of these changes."""
    return from_wire(desk, pb.WriteSessionRequest(session_id=sid, changes=changes))


def says(text: str) -> event_pb2.Change:
    """A message."""
    message = event_pb2.MessageAppended(role=event_pb2.MESSAGE_ROLE_USER, content=text)
    return event_pb2.Change(message_appended=message)


async def create(desk: Desk, sid: str, **begins_with: Any) -> None:
    """A session whose first event is encoded as the server encodes it; `begins_with` are fields of SessionCreated."""
    created = ch.SessionCreated(uid=secrets.token_hex(8), **begins_with)
    write = Write(desk.key(sid), effects_of([created]), ProtoCodec().encode([created], "replay"))
    await desk.store.active.create(write, or_get=False, checked=True)


async def replay(desk: Desk, told: Sequence[Conversation], *, together: int = 20) -> None:
    """Writes conversations as sessions `c<number>`, message by message."""
    for conversation in told:
        await create(desk, f"c{conversation.number}", purpose=f"conversation {conversation.number}", tags=("replay",))
    longest = max(len(conversation.writes) for conversation in told)
    for begin in range(0, longest, together):
        writes = [
            message_write(desk, f"c{conversation.number}", message)
            for conversation in told
            for message in conversation.writes[begin : begin + together]
        ]
        for result in await desk.store.active.write_many(writes):
            committed(result)
