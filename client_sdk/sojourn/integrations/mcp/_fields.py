"""Arguments of the tools of `sojourn mcp`, with what a model must know of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

SessionId = Annotated[str, Field(description="Id of the session, as create_session returned it", min_length=1)]
# Texts are never None: the SDK would take one that looks like JSON for what it says.
Purpose = Annotated[str, Field(description="Why the session exists, in a sentence for people")]
UserId = Annotated[str | None, Field(description="User the session belongs to")]
Project = Annotated[str | None, Field(description="Project the session belongs to")]
Tags = Annotated[list[str], Field(description="Short labels to find the session by")]
Metadata = Annotated[dict[str, Any] | None, Field(description="Facts about the session by key; any JSON")]
StateValues = Annotated[dict[str, Any], Field(description="JSON values by key; other keys stay as they are")]
Limit = Annotated[int, Field(description="At most this many", ge=1, le=200)]
Revision = Annotated[
    int | None,
    Field(description="Do it only if the session is still at this revision, so that nobody else's change is lost"),
]
Error = Annotated[str, Field(description="What went wrong, if something did")]
AnyStatus = Literal["active", "completed", "failed", "abandoned", "cancelled", "expired"]
EndStatus = Literal["completed", "failed", "abandoned", "cancelled"]
Role = Literal["user", "assistant", "system", "tool"]
CallStatus = Literal["succeeded", "failed", "cancelled"]
AnyCallStatus = Literal["running", "succeeded", "failed", "cancelled", "interrupted"]
Level = Literal["debug", "info", "warning", "error"]
Source = Literal["purpose", "message", "arguments", "result", "log"]
