"""Tools about sessions as a whole: create, find, resume, change, end, fork, delete, sum up."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from . import _conversations
from . import _outputs as outputs
from ._fields import (
    AnyStatus,
    EndStatus,
    Error,
    Limit,
    Metadata,
    Project,
    Purpose,
    Revision,
    SessionId,
    Source,
    Tags,
    UserId,
)
from ._toolbox import Toolbox, reading, writing


class SessionTools(Toolbox):
    """Their methods are the tools."""

    @writing()
    async def create_session(
        self,
        purpose: Purpose = "",
        tags: Tags = [],  # noqa: B006 - never changed; it is the schema's default
        metadata: Metadata = None,
        state: Annotated[dict[str, Any] | None, Field(description="State it begins with: JSON values by key")] = None,
        user_id: UserId = None,
        project: Project = None,
        session_id: Annotated[str | None, Field(description="An id of your own; better leave it out")] = None,
        parent: Annotated[str | None, Field(description="Id of the session that this one is a part of")] = None,
        template: Annotated[str | None, Field(description="Name of a template to begin with")] = None,
    ) -> outputs.SessionDetails:
        """Create a session: a durable record of a piece of work, with its conversation, state and tool calls.

        Keep the `session_id` of the result and give it to every other tool: it is the only handle there is, and it
        stays valid across conversations and restarts.
        """
        session = await self._client.create_session(
            session_id,
            purpose=purpose or None,
            tags=tags,
            metadata=metadata,
            state=state,
            user_id=user_id,
            project=project,
            parent=parent,
            template=template,
        )
        return outputs.SessionDetails.of(session.info)

    @reading
    async def get_session(self, session_id: SessionId) -> outputs.SessionDetails:
        """Read a session: purpose, status, tags, metadata, state, results and counters."""
        return outputs.SessionDetails.of((await self._client.get_session(session_id)).info)

    @reading
    async def list_sessions(
        self,
        user_id: UserId = None,
        project: Project = None,
        status: Annotated[AnyStatus | None, Field(description="Only sessions in this status")] = None,
        tags: Annotated[list[str], Field(description="Only sessions with all these tags")] = [],  # noqa: B006
        text: Annotated[str, Field(description="Only sessions with all these words in one text")] = "",
        parent: Annotated[str | None, Field(description="Only sessions that are a part of this one")] = None,
        limit: Limit = 20,
    ) -> outputs.SessionList:
        """List sessions, newest first. All conditions that are given must hold."""
        found = self._client.list_sessions(
            user_id=user_id,
            project=project,
            status=status,
            tags=tags,
            text=text or None,
            parent=parent,
            limit=limit + 1,
        )
        sessions = [outputs.SessionSummary.of(session) async for session in found]
        return outputs.SessionList(sessions=sessions[:limit], more=len(sessions) > limit)

    @reading
    async def search_sessions(
        self,
        query: Annotated[str, Field(description='Words that must all occur; "words in quotes" stand together')],
        sources: Annotated[list[Source], Field(description="Only these texts; none: all")] = [],  # noqa: B006
        user_id: UserId = None,
        project: Project = None,
        status: Annotated[AnyStatus | None, Field(description="Only sessions in this status")] = None,
        limit: Limit = 10,
    ) -> outputs.FoundSessions:
        """Find sessions by what was said and done in them: purposes, messages, tool arguments, results and logs."""
        found = self._client.search(
            query, sources=sources or None, user_id=user_id, project=project, status=status, limit=limit
        )
        return outputs.FoundSessions(
            found=[
                outputs.FoundSession(
                    session=outputs.SessionSummary.of(one.session), matches=[match.text for match in one.fragments]
                )
                async for one in found
            ]
        )

    @writing(idempotent=True)
    async def resume_session(
        self,
        session_id: SessionId,
        messages: Annotated[int, Field(description="How many of the newest messages to return", ge=0, le=200)] = 20,
    ) -> outputs.ResumedSession:
        """Go on with a session: makes it active again if it had ended, returns its state and latest conversation."""
        session = await self._client.get_session(session_id)
        resumed = False if session.info.is_active else await session.resume()
        return outputs.ResumedSession(
            resumed=resumed,
            session=outputs.SessionDetails.of(session.info),
            conversation=await _conversations.newest(session, messages),
        )

    @writing(idempotent=True)
    async def update_session(
        self,
        session_id: SessionId,
        purpose: Purpose = "",
        add_tags: Tags = [],  # noqa: B006
        remove_tags: Annotated[list[str], Field(description="Tags to take away")] = [],  # noqa: B006
        metadata: Metadata = None,
        remove_metadata: Annotated[list[str], Field(description="Keys of metadata to take away")] = [],  # noqa: B006
        expected_revision: Revision = None,
    ) -> outputs.Written:
        """Change a session's purpose, tags or metadata; what is not given stays. Works on ended sessions, too."""
        revision = await self._client.session(session_id).update(
            purpose=purpose or None,
            add_tags=add_tags,
            remove_tags=remove_tags,
            metadata=metadata,
            remove_metadata=remove_metadata,
            expected_revision=expected_revision,
        )
        return outputs.Written(session_id=session_id, revision=revision)

    @writing()
    async def complete_session(
        self,
        session_id: SessionId,
        status: Annotated[EndStatus, Field(description="How it ended")] = "completed",
        error: Error = "",
    ) -> outputs.Written:
        """End a session as completed, failed, abandoned or cancelled. It is kept; resume_session goes on with it."""
        revision = await self._client.session(session_id).complete(status=status, error=error or None)
        return outputs.Written(session_id=session_id, revision=revision)

    @writing()
    async def fork_session(
        self,
        session_id: SessionId,
        at_revision: Annotated[
            int | None, Field(description="Last revision the copy shares; none: the present one", ge=1)
        ] = None,
        new_session_id: Annotated[str | None, Field(description="Id of the copy; better leave it out")] = None,
    ) -> outputs.SessionDetails:
        """Copy a session, with its history and state up to a revision, to try something else from there."""
        fork = await self._client.session(session_id).fork(at_revision=at_revision, session_id=new_session_id)
        return outputs.SessionDetails.of(fork.info)

    @writing(destructive=True)
    async def delete_session(self, session_id: SessionId) -> outputs.Deleted:
        """Delete a session with everything in it, for ever. To end one but keep it, use complete_session."""
        await self._client.delete_session(session_id)
        return outputs.Deleted(session_id=session_id)

    @reading
    async def session_statistics(
        self,
        session_id: SessionId,
        include_children: Annotated[bool, Field(description="Also sum up all sessions that are parts of it")] = False,
    ) -> outputs.SessionFigures:
        """Sum up a session: messages, tools used and how long they took, failures, tokens and cost."""
        found = await self._client.session(session_id).statistics(include_children=include_children)
        return outputs.SessionFigures.of(session_id, found)
