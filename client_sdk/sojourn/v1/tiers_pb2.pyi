import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from sojourn.v1 import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CleanupAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLEANUP_ACTION_UNSPECIFIED: _ClassVar[CleanupAction]
    CLEANUP_ACTION_DELETE: _ClassVar[CleanupAction]
    CLEANUP_ACTION_ABANDON: _ClassVar[CleanupAction]
    CLEANUP_ACTION_ARCHIVE: _ClassVar[CleanupAction]
CLEANUP_ACTION_UNSPECIFIED: CleanupAction
CLEANUP_ACTION_DELETE: CleanupAction
CLEANUP_ACTION_ABANDON: CleanupAction
CLEANUP_ACTION_ARCHIVE: CleanupAction

class SaveSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class SaveSessionResponse(_message.Message):
    __slots__ = ("storage", "revision", "size_bytes")
    STORAGE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    storage: _session_pb2.Storage
    revision: int
    size_bytes: int
    def __init__(self, storage: _Optional[_Union[_session_pb2.Storage, _Mapping]] = ..., revision: _Optional[int] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class ResumeSessionRequest(_message.Message):
    __slots__ = ("session_id", "writer", "idempotency_key")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    WRITER_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    writer: str
    idempotency_key: str
    def __init__(self, session_id: _Optional[str] = ..., writer: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class ResumeSessionResponse(_message.Message):
    __slots__ = ("session", "resumed", "from_tier")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    FROM_TIER_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    resumed: bool
    from_tier: _session_pb2.Tier
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., resumed: _Optional[bool] = ..., from_tier: _Optional[_Union[_session_pb2.Tier, str]] = ...) -> None: ...

class ForkSessionRequest(_message.Message):
    __slots__ = ("session_id", "at_revision", "new_session_id", "writer", "idempotency_key")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    AT_REVISION_FIELD_NUMBER: _ClassVar[int]
    NEW_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    WRITER_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    at_revision: int
    new_session_id: str
    writer: str
    idempotency_key: str
    def __init__(self, session_id: _Optional[str] = ..., at_revision: _Optional[int] = ..., new_session_id: _Optional[str] = ..., writer: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class ForkSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class CleanupSessionsRequest(_message.Message):
    __slots__ = ("filter", "older_than", "keep_newest", "action", "dry_run")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    OLDER_THAN_FIELD_NUMBER: _ClassVar[int]
    KEEP_NEWEST_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    filter: _session_pb2.SessionFilter
    older_than: _duration_pb2.Duration
    keep_newest: int
    action: CleanupAction
    dry_run: bool
    def __init__(self, filter: _Optional[_Union[_session_pb2.SessionFilter, _Mapping]] = ..., older_than: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., keep_newest: _Optional[int] = ..., action: _Optional[_Union[CleanupAction, str]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class CleanupSessionsResponse(_message.Message):
    __slots__ = ("selected", "cleaned", "skipped", "sessions", "done")
    SELECTED_FIELD_NUMBER: _ClassVar[int]
    CLEANED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    selected: int
    cleaned: int
    skipped: int
    sessions: _containers.RepeatedCompositeFieldContainer[CleanedSession]
    done: bool
    def __init__(self, selected: _Optional[int] = ..., cleaned: _Optional[int] = ..., skipped: _Optional[int] = ..., sessions: _Optional[_Iterable[_Union[CleanedSession, _Mapping]]] = ..., done: _Optional[bool] = ...) -> None: ...

class CleanedSession(_message.Message):
    __slots__ = ("session_id", "status", "tier")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    status: _session_pb2.SessionStatus
    tier: _session_pb2.Tier
    def __init__(self, session_id: _Optional[str] = ..., status: _Optional[_Union[_session_pb2.SessionStatus, str]] = ..., tier: _Optional[_Union[_session_pb2.Tier, str]] = ...) -> None: ...
