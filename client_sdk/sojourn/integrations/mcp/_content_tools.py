"""Tools about what is in a session: its conversation, tool invocations, state, results and log."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from . import _conversations
from . import _outputs as outputs
from ._fields import AnyCallStatus, CallStatus, Error, Level, Limit, Revision, Role, SessionId, StateValues
from ._toolbox import Toolbox, reading, writing


class ContentTools(Toolbox):
    """Their methods are the tools."""

    @writing()
    async def add_message(
        self,
        session_id: SessionId,
        role: Annotated[Role, Field(description="Who said it")],
        content: Annotated[str, Field(description="What was said")],
        tool_name: Annotated[str | None, Field(description="For role tool: which tool")] = None,
        invocation_id: Annotated[str | None, Field(description="For role tool: of which invocation")] = None,
    ) -> outputs.Written:
        """Append a message to the session's conversation."""
        revision = await self._client.session(session_id).add_message(
            role, content, tool_name=tool_name, invocation_id=invocation_id
        )
        return outputs.Written(session_id=session_id, revision=revision)

    @reading
    async def get_messages(self, session_id: SessionId, limit: Limit = 50) -> outputs.Conversation:
        """Read the newest messages of the session's conversation, oldest of them first."""
        return await _conversations.newest(await self._client.get_session(session_id), limit)

    @writing()
    async def record_invocation(
        self,
        session_id: SessionId,
        tool_name: Annotated[str, Field(description="Name of the tool that was used", min_length=1)],
        arguments: Annotated[Any, Field(description="What it was called with; any JSON")] = None,
        result: Annotated[Any, Field(description="What it returned; any JSON")] = None,
        status: Annotated[CallStatus, Field(description="How it ended")] = "succeeded",
        error: Error = "",
        duration_ms: Annotated[float | None, Field(description="How long it took, in milliseconds", ge=0)] = None,
        cost: Annotated[float | None, Field(description="What it cost", ge=0)] = None,
        invocation_id: Annotated[str | None, Field(description="An id of your own; better leave it out")] = None,
    ) -> outputs.RecordedInvocation:
        """Record that a tool was used in the session, after the fact: what it was called with, returned and took."""
        write = self._client.session(session_id).write()
        async with write:
            minted = write.record_invocation(
                tool_name,
                arguments=arguments,
                result=result,
                status=status,
                error=error or None,
                duration=None if duration_ms is None else duration_ms / 1000,
                cost=cost,
                invocation_id=invocation_id,
            )
        assert write.revision is not None
        return outputs.RecordedInvocation(session_id=session_id, revision=write.revision, invocation_id=minted)

    @reading
    async def list_invocations(
        self,
        session_id: Annotated[str | None, Field(description="Only those of this session")] = None,
        tool_name: Annotated[str | None, Field(description="Only those of this tool")] = None,
        status: Annotated[AnyCallStatus | None, Field(description="Only those in this status")] = None,
        user_id: Annotated[str | None, Field(description="Only those of this user's sessions")] = None,
        limit: Limit = 20,
    ) -> outputs.Invocations:
        """List uses of tools, newest first: of one session, or of one tool in all sessions."""
        found = self._client.invocations(
            session_id=session_id,
            tool=tool_name,
            status=status,
            user_id=user_id,
            limit=limit + 1,
        )
        calls = [outputs.ToolInvocation.of(call) async for call in found]
        return outputs.Invocations(invocations=calls[:limit], more=len(calls) > limit)

    @writing(idempotent=True)
    async def set_state(
        self,
        session_id: SessionId,
        values: StateValues = {},  # noqa: B006 - never changed; it is the schema's default
        delete: Annotated[list[str], Field(description="Keys to delete")] = [],  # noqa: B006
        expected_revision: Revision = None,
    ) -> outputs.Written:
        """Set and delete keys of the session's state, all at once: what the work must remember, like its progress."""
        session = self._client.session(session_id)
        async with session.write(expected_revision=expected_revision) as write:
            if values:
                write.set_state(values)
            if delete:
                write.delete_state(*delete)
        revision = write.revision if write.revision is not None else (await session.refresh()).revision
        return outputs.Written(session_id=session_id, revision=revision)

    @reading
    async def get_state(
        self,
        session_id: SessionId,
        keys: Annotated[list[str], Field(description="Only these keys; none: all")] = [],  # noqa: B006
    ) -> outputs.State:
        """Read the session's state."""
        info = (await self._client.get_session(session_id)).info
        wanted = keys or list(info.state)
        return outputs.State(
            session_id=session_id,
            revision=info.revision,
            values={key: info.state[key] for key in wanted if key in info.state},
            missing=[key for key in wanted if key not in info.state],
        )

    @writing(idempotent=True)
    async def set_result(
        self,
        session_id: SessionId,
        name: Annotated[str, Field(description="Name of the result", min_length=1)],
        value: Annotated[Any, Field(description="The result; any JSON")],
    ) -> outputs.Written:
        """Set a named result of the session's work; setting it again replaces it."""
        revision = await self._client.session(session_id).set_result(name, value)
        return outputs.Written(session_id=session_id, revision=revision)

    @writing()
    async def log(
        self,
        session_id: SessionId,
        text: Annotated[str, Field(description="The line")],
        level: Annotated[Level, Field(description="How severe it is")] = "info",
    ) -> outputs.Written:
        """Append a line to the session's log, for people who watch the work."""
        revision = await self._client.session(session_id).log(text, level=level)
        return outputs.Written(session_id=session_id, revision=revision)
