"""What the use cases need from the outside: small Protocols whose docstrings are contracts."""

from .requests import Lifecycle, Occupancy, Overdue, RequestStore, ScopeStore
from .sessions import (
    ActiveStore,
    ArchivedSession,
    ClockPort,
    DeletedSession,
    EventCodec,
    EventLogs,
    EventPage,
    EventQuery,
    Hub,
    ShardTap,
    Tap,
)

__all__ = [
    "ActiveStore",
    "ArchivedSession",
    "ClockPort",
    "DeletedSession",
    "EventCodec",
    "EventLogs",
    "EventPage",
    "EventQuery",
    "Hub",
    "Lifecycle",
    "Occupancy",
    "Overdue",
    "RequestStore",
    "ScopeStore",
    "ShardTap",
    "Tap",
]
