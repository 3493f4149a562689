"""The latest of a conversation."""

from __future__ import annotations

from ...changes import MessageAppended
from ...enums import ChangeKind
from ...models import Message
from ...session import SessionHandle
from ._outputs import Conversation, ConversationMessage


async def newest(session: SessionHandle, limit: int) -> Conversation:
    """The newest `limit` messages of a session whose `info` is loaded, oldest first."""
    found: list[ConversationMessage] = []
    if limit:
        events = session.events(kinds=ChangeKind.MESSAGE_APPENDED, limit=limit, reverse=True)
        async for event in events:  # newest first; an event may hold several messages
            said = [change for change in event.changes if isinstance(change, MessageAppended)]
            for change in reversed(said):
                fields = change.model_dump(exclude={"kind"})
                message = Message(**fields, revision=event.revision, time=event.commit_time)
                found.append(ConversationMessage.of(message))
    return Conversation(messages=found[:limit][::-1], total=session.info.counters.messages)
