"""The conditions by which sessions and invocations are found, the same wherever they are given.

Conditions are combined with AND; one that is left out, None or empty selects everything. Times are aware datetimes:
`..._after` means then or later, `..._before` earlier. `Client.list_sessions` and `Client.invocations` say the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypedDict

from .config import Seconds
from .enums import InvocationStatus, SessionStatus, Tier

Statuses = SessionStatus | str | Iterable[SessionStatus | str]
Tiers = Tier | str | Iterable[Tier | str]
InvocationStatuses = InvocationStatus | str | Iterable[InvocationStatus | str]


class SearchConditions(TypedDict, total=False):
    """Which sessions, besides what their texts say."""

    user_id: str | None
    project: str | None
    status: Statuses | None
    tags: Iterable[str]
    any_tags: Iterable[str]
    kind: str | None
    parent: str | None
    metadata: Mapping[str, Any] | None
    tiers: Tiers | None
    created_after: datetime | None
    created_before: datetime | None
    updated_after: datetime | None
    updated_before: datetime | None
    ended_after: datetime | None
    ended_before: datetime | None


class SessionConditions(SearchConditions, total=False):
    """Which sessions."""

    text: str | None


class InvocationConditions(TypedDict, total=False):
    """Which invocations."""

    session_id: str | None
    user_id: str | None
    project: str | None
    tool: str | None
    status: InvocationStatuses | None
    running: bool
    started_after: datetime | None
    started_before: datetime | None
    min_duration: Seconds | None
    max_duration: Seconds | None
