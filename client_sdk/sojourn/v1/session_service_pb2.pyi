import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sojourn.v1 import error_reason_pb2 as _error_reason_pb2
from sojourn.v1 import event_pb2 as _event_pb2
from sojourn.v1 import request_pb2 as _request_pb2
from sojourn.v1 import search_pb2 as _search_pb2
from sojourn.v1 import session_pb2 as _session_pb2
from sojourn.v1 import statistics_pb2 as _statistics_pb2
from sojourn.v1 import template_pb2 as _template_pb2
from sojourn.v1 import tiers_pb2 as _tiers_pb2
from sojourn.v1 import transfer_pb2 as _transfer_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IfExists(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IF_EXISTS_UNSPECIFIED: _ClassVar[IfExists]
    IF_EXISTS_ERROR: _ClassVar[IfExists]
    IF_EXISTS_RETURN: _ClassVar[IfExists]
IF_EXISTS_UNSPECIFIED: IfExists
IF_EXISTS_ERROR: IfExists
IF_EXISTS_RETURN: IfExists

class CreateSessionRequest(_message.Message):
    __slots__ = ("session_id", "if_exists", "kind", "user_id", "project", "purpose", "tags", "metadata", "state", "parent", "idle_timeout", "max_lifetime", "max_concurrent_requests", "writer", "idempotency_key", "template")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _session_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_session_pb2.Value, _Mapping]] = ...) -> None: ...
    class StateEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _session_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_session_pb2.Value, _Mapping]] = ...) -> None: ...
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    IF_EXISTS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_LIFETIME_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    WRITER_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    if_exists: IfExists
    kind: str
    user_id: str
    project: str
    purpose: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    metadata: _containers.MessageMap[str, _session_pb2.Value]
    state: _containers.MessageMap[str, _session_pb2.Value]
    parent: str
    idle_timeout: _duration_pb2.Duration
    max_lifetime: _duration_pb2.Duration
    max_concurrent_requests: int
    writer: str
    idempotency_key: str
    template: str
    def __init__(self, session_id: _Optional[str] = ..., if_exists: _Optional[_Union[IfExists, str]] = ..., kind: _Optional[str] = ..., user_id: _Optional[str] = ..., project: _Optional[str] = ..., purpose: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Mapping[str, _session_pb2.Value]] = ..., state: _Optional[_Mapping[str, _session_pb2.Value]] = ..., parent: _Optional[str] = ..., idle_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_lifetime: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_concurrent_requests: _Optional[int] = ..., writer: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., template: _Optional[str] = ...) -> None: ...

class CreateSessionResponse(_message.Message):
    __slots__ = ("session", "created", "durability")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    created: bool
    durability: _session_pb2.Durability
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., created: _Optional[bool] = ..., durability: _Optional[_Union[_session_pb2.Durability, str]] = ...) -> None: ...

class ItemStatus(_message.Message):
    __slots__ = ("code", "message", "reason", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    reason: _error_reason_pb2.ErrorReason
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class GetSessionRequest(_message.Message):
    __slots__ = ("session_id", "view")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    view: _session_pb2.SessionView
    def __init__(self, session_id: _Optional[str] = ..., view: _Optional[_Union[_session_pb2.SessionView, str]] = ...) -> None: ...

class GetSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class BatchGetSessionsRequest(_message.Message):
    __slots__ = ("session_ids", "view")
    SESSION_IDS_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    session_ids: _containers.RepeatedScalarFieldContainer[str]
    view: _session_pb2.SessionView
    def __init__(self, session_ids: _Optional[_Iterable[str]] = ..., view: _Optional[_Union[_session_pb2.SessionView, str]] = ...) -> None: ...

class BatchGetSessionsResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[BatchGetSessionsItem]
    def __init__(self, items: _Optional[_Iterable[_Union[BatchGetSessionsItem, _Mapping]]] = ...) -> None: ...

class BatchGetSessionsItem(_message.Message):
    __slots__ = ("session", "status")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    status: ItemStatus
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., status: _Optional[_Union[ItemStatus, _Mapping]] = ...) -> None: ...

class Precondition(_message.Message):
    __slots__ = ("expected_revision", "required_status", "fencing_token", "known")
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_STATUS_FIELD_NUMBER: _ClassVar[int]
    FENCING_TOKEN_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    expected_revision: int
    required_status: _session_pb2.SessionStatus
    fencing_token: int
    known: _session_pb2.Cursor
    def __init__(self, expected_revision: _Optional[int] = ..., required_status: _Optional[_Union[_session_pb2.SessionStatus, str]] = ..., fencing_token: _Optional[int] = ..., known: _Optional[_Union[_session_pb2.Cursor, _Mapping]] = ...) -> None: ...

class WriteSessionRequest(_message.Message):
    __slots__ = ("session_id", "changes", "precondition", "idempotency_key", "writer")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    PRECONDITION_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    WRITER_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    changes: _containers.RepeatedCompositeFieldContainer[_event_pb2.Change]
    precondition: Precondition
    idempotency_key: str
    writer: str
    def __init__(self, session_id: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[_event_pb2.Change, _Mapping]]] = ..., precondition: _Optional[_Union[Precondition, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., writer: _Optional[str] = ...) -> None: ...

class WriteSessionResponse(_message.Message):
    __slots__ = ("revision", "commit_time", "cursor", "durability", "replayed")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    revision: int
    commit_time: _timestamp_pb2.Timestamp
    cursor: _session_pb2.Cursor
    durability: _session_pb2.Durability
    replayed: bool
    def __init__(self, revision: _Optional[int] = ..., commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cursor: _Optional[_Union[_session_pb2.Cursor, _Mapping]] = ..., durability: _Optional[_Union[_session_pb2.Durability, str]] = ..., replayed: _Optional[bool] = ...) -> None: ...

class BatchWriteSessionsRequest(_message.Message):
    __slots__ = ("writes",)
    WRITES_FIELD_NUMBER: _ClassVar[int]
    writes: _containers.RepeatedCompositeFieldContainer[WriteSessionRequest]
    def __init__(self, writes: _Optional[_Iterable[_Union[WriteSessionRequest, _Mapping]]] = ...) -> None: ...

class BatchWriteSessionsResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[BatchWriteSessionsItem]
    def __init__(self, items: _Optional[_Iterable[_Union[BatchWriteSessionsItem, _Mapping]]] = ...) -> None: ...

class BatchWriteSessionsItem(_message.Message):
    __slots__ = ("result", "status")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    result: WriteSessionResponse
    status: ItemStatus
    def __init__(self, result: _Optional[_Union[WriteSessionResponse, _Mapping]] = ..., status: _Optional[_Union[ItemStatus, _Mapping]] = ...) -> None: ...

class CompleteSessionRequest(_message.Message):
    __slots__ = ("session_id", "status", "error", "precondition", "idempotency_key", "writer")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PRECONDITION_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    WRITER_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    status: _session_pb2.SessionStatus
    error: str
    precondition: Precondition
    idempotency_key: str
    writer: str
    def __init__(self, session_id: _Optional[str] = ..., status: _Optional[_Union[_session_pb2.SessionStatus, str]] = ..., error: _Optional[str] = ..., precondition: _Optional[_Union[Precondition, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., writer: _Optional[str] = ...) -> None: ...

class CompleteSessionResponse(_message.Message):
    __slots__ = ("write",)
    WRITE_FIELD_NUMBER: _ClassVar[int]
    write: WriteSessionResponse
    def __init__(self, write: _Optional[_Union[WriteSessionResponse, _Mapping]] = ...) -> None: ...

class DeleteSessionRequest(_message.Message):
    __slots__ = ("session_id", "expected_revision", "idempotency_key")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    expected_revision: int
    idempotency_key: str
    def __init__(self, session_id: _Optional[str] = ..., expected_revision: _Optional[int] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class DeleteSessionResponse(_message.Message):
    __slots__ = ("revision", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    durability: _session_pb2.Durability
    def __init__(self, revision: _Optional[int] = ..., durability: _Optional[_Union[_session_pb2.Durability, str]] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ("filter", "page_size", "page_token", "consistency")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    filter: _session_pb2.SessionFilter
    page_size: int
    page_token: str
    consistency: _search_pb2.Consistency
    def __init__(self, filter: _Optional[_Union[_session_pb2.SessionFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., consistency: _Optional[_Union[_search_pb2.Consistency, str]] = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions", "next_page_token", "lag")
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[_session_pb2.Session]
    next_page_token: str
    lag: _duration_pb2.Duration
    def __init__(self, sessions: _Optional[_Iterable[_Union[_session_pb2.Session, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., lag: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("cursor", "revision")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    cursor: _session_pb2.Cursor
    revision: int
    def __init__(self, cursor: _Optional[_Union[_session_pb2.Cursor, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("session_id", "after", "before", "kinds", "page_size", "page_token", "reverse")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REVERSE_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    after: Position
    before: Position
    kinds: _containers.RepeatedScalarFieldContainer[_event_pb2.ChangeKind]
    page_size: int
    page_token: str
    reverse: bool
    def __init__(self, session_id: _Optional[str] = ..., after: _Optional[_Union[Position, _Mapping]] = ..., before: _Optional[_Union[Position, _Mapping]] = ..., kinds: _Optional[_Iterable[_Union[_event_pb2.ChangeKind, str]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., reverse: _Optional[bool] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchSessionRequest(_message.Message):
    __slots__ = ("session_id", "after", "snapshot", "kinds", "until_ended", "progress_interval")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_ENDED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    after: Position
    snapshot: bool
    kinds: _containers.RepeatedScalarFieldContainer[_event_pb2.ChangeKind]
    until_ended: bool
    progress_interval: _duration_pb2.Duration
    def __init__(self, session_id: _Optional[str] = ..., after: _Optional[_Union[Position, _Mapping]] = ..., snapshot: _Optional[bool] = ..., kinds: _Optional[_Iterable[_Union[_event_pb2.ChangeKind, str]]] = ..., until_ended: _Optional[bool] = ..., progress_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchSessionResponse(_message.Message):
    __slots__ = ("events", "snapshot", "progress", "deleted", "going_away", "archived")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    GOING_AWAY_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    snapshot: _session_pb2.Session
    progress: Progress
    deleted: SessionDeleted
    going_away: GoingAway
    archived: SessionArchived
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., snapshot: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., deleted: _Optional[_Union[SessionDeleted, _Mapping]] = ..., going_away: _Optional[_Union[GoingAway, _Mapping]] = ..., archived: _Optional[_Union[SessionArchived, _Mapping]] = ...) -> None: ...

class SessionArchived(_message.Message):
    __slots__ = ("session_id", "revision")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    revision: int
    def __init__(self, session_id: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("cursor", "revision")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    cursor: _session_pb2.Cursor
    revision: int
    def __init__(self, cursor: _Optional[_Union[_session_pb2.Cursor, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class SessionDeleted(_message.Message):
    __slots__ = ("session_id", "uid", "revision")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    uid: str
    revision: int
    def __init__(self, session_id: _Optional[str] = ..., uid: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class GoingAway(_message.Message):
    __slots__ = ("cursor",)
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    cursor: _session_pb2.Cursor
    def __init__(self, cursor: _Optional[_Union[_session_pb2.Cursor, _Mapping]] = ...) -> None: ...

class WatchSessionsRequest(_message.Message):
    __slots__ = ("filter", "after", "snapshot", "kinds", "progress_interval")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    filter: _session_pb2.SessionFilter
    after: _session_pb2.Cursor
    snapshot: bool
    kinds: _containers.RepeatedScalarFieldContainer[_event_pb2.ChangeKind]
    progress_interval: _duration_pb2.Duration
    def __init__(self, filter: _Optional[_Union[_session_pb2.SessionFilter, _Mapping]] = ..., after: _Optional[_Union[_session_pb2.Cursor, _Mapping]] = ..., snapshot: _Optional[bool] = ..., kinds: _Optional[_Iterable[_Union[_event_pb2.ChangeKind, str]]] = ..., progress_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchSessionsResponse(_message.Message):
    __slots__ = ("events", "snapshot", "progress", "deleted", "going_away", "archived")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    GOING_AWAY_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    snapshot: _session_pb2.Session
    progress: Progress
    deleted: SessionDeleted
    going_away: GoingAway
    archived: SessionArchived
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., snapshot: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., deleted: _Optional[_Union[SessionDeleted, _Mapping]] = ..., going_away: _Optional[_Union[GoingAway, _Mapping]] = ..., archived: _Optional[_Union[SessionArchived, _Mapping]] = ...) -> None: ...

class BeginRequestRequest(_message.Message):
    __slots__ = ("session_id", "request_id", "name", "priority", "policy", "exclusive", "lease_ttl", "queue_timeout", "pool", "precondition", "resume", "snapshot", "writer")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    EXCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    LEASE_TTL_FIELD_NUMBER: _ClassVar[int]
    QUEUE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    PRECONDITION_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    WRITER_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    request_id: str
    name: str
    priority: int
    policy: _request_pb2.RequestPolicy
    exclusive: bool
    lease_ttl: _duration_pb2.Duration
    queue_timeout: _duration_pb2.Duration
    pool: str
    precondition: Precondition
    resume: bool
    snapshot: bool
    writer: str
    def __init__(self, session_id: _Optional[str] = ..., request_id: _Optional[str] = ..., name: _Optional[str] = ..., priority: _Optional[int] = ..., policy: _Optional[_Union[_request_pb2.RequestPolicy, str]] = ..., exclusive: _Optional[bool] = ..., lease_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., queue_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., pool: _Optional[str] = ..., precondition: _Optional[_Union[Precondition, _Mapping]] = ..., resume: _Optional[bool] = ..., snapshot: _Optional[bool] = ..., writer: _Optional[str] = ...) -> None: ...

class BeginRequestResponse(_message.Message):
    __slots__ = ("request", "resumed", "snapshot")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    request: _request_pb2.Request
    resumed: bool
    snapshot: _session_pb2.Session
    def __init__(self, request: _Optional[_Union[_request_pb2.Request, _Mapping]] = ..., resumed: _Optional[bool] = ..., snapshot: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class RenewRequestRequest(_message.Message):
    __slots__ = ("session_id", "request_id", "progress")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    request_id: str
    progress: _event_pb2.RequestProgressed
    def __init__(self, session_id: _Optional[str] = ..., request_id: _Optional[str] = ..., progress: _Optional[_Union[_event_pb2.RequestProgressed, _Mapping]] = ...) -> None: ...

class RenewRequestResponse(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: _request_pb2.Request
    def __init__(self, request: _Optional[_Union[_request_pb2.Request, _Mapping]] = ...) -> None: ...

class FinishRequestRequest(_message.Message):
    __slots__ = ("session_id", "request_id", "outcome", "error")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    request_id: str
    outcome: _event_pb2.RequestOutcome
    error: str
    def __init__(self, session_id: _Optional[str] = ..., request_id: _Optional[str] = ..., outcome: _Optional[_Union[_event_pb2.RequestOutcome, str]] = ..., error: _Optional[str] = ...) -> None: ...

class FinishRequestResponse(_message.Message):
    __slots__ = ("outcome", "revision")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    outcome: _event_pb2.RequestOutcome
    revision: int
    def __init__(self, outcome: _Optional[_Union[_event_pb2.RequestOutcome, str]] = ..., revision: _Optional[int] = ...) -> None: ...

class CancelRequestRequest(_message.Message):
    __slots__ = ("session_id", "request_id", "reason", "force", "writer")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    WRITER_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    request_id: str
    reason: str
    force: bool
    writer: str
    def __init__(self, session_id: _Optional[str] = ..., request_id: _Optional[str] = ..., reason: _Optional[str] = ..., force: _Optional[bool] = ..., writer: _Optional[str] = ...) -> None: ...

class CancelRequestResponse(_message.Message):
    __slots__ = ("ended", "revision")
    ENDED_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ended: bool
    revision: int
    def __init__(self, ended: _Optional[bool] = ..., revision: _Optional[int] = ...) -> None: ...

class ListRequestsRequest(_message.Message):
    __slots__ = ("session_id", "user_id", "project", "pool", "state", "page_size", "page_token")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    user_id: str
    project: str
    pool: str
    state: _request_pb2.RequestState
    page_size: int
    page_token: str
    def __init__(self, session_id: _Optional[str] = ..., user_id: _Optional[str] = ..., project: _Optional[str] = ..., pool: _Optional[str] = ..., state: _Optional[_Union[_request_pb2.RequestState, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRequestsResponse(_message.Message):
    __slots__ = ("requests", "next_page_token")
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[_request_pb2.Request]
    next_page_token: str
    def __init__(self, requests: _Optional[_Iterable[_Union[_request_pb2.Request, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class TrackRequestRequest(_message.Message):
    __slots__ = ("begin", "heartbeat", "progress", "finish")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    FINISH_FIELD_NUMBER: _ClassVar[int]
    begin: BeginRequestRequest
    heartbeat: Heartbeat
    progress: _event_pb2.RequestProgressed
    finish: _event_pb2.RequestFinished
    def __init__(self, begin: _Optional[_Union[BeginRequestRequest, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., progress: _Optional[_Union[_event_pb2.RequestProgressed, _Mapping]] = ..., finish: _Optional[_Union[_event_pb2.RequestFinished, _Mapping]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TrackRequestResponse(_message.Message):
    __slots__ = ("queued", "admitted", "renewed", "cancel_requested", "lease_lost", "going_away", "finished")
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    ADMITTED_FIELD_NUMBER: _ClassVar[int]
    RENEWED_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    LEASE_LOST_FIELD_NUMBER: _ClassVar[int]
    GOING_AWAY_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    queued: Queued
    admitted: Admitted
    renewed: Renewed
    cancel_requested: CancelRequested
    lease_lost: LeaseLost
    going_away: GoingAway
    finished: FinishRequestResponse
    def __init__(self, queued: _Optional[_Union[Queued, _Mapping]] = ..., admitted: _Optional[_Union[Admitted, _Mapping]] = ..., renewed: _Optional[_Union[Renewed, _Mapping]] = ..., cancel_requested: _Optional[_Union[CancelRequested, _Mapping]] = ..., lease_lost: _Optional[_Union[LeaseLost, _Mapping]] = ..., going_away: _Optional[_Union[GoingAway, _Mapping]] = ..., finished: _Optional[_Union[FinishRequestResponse, _Mapping]] = ...) -> None: ...

class Queued(_message.Message):
    __slots__ = ("request_id", "position", "waiting_for", "lease_ttl")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    LEASE_TTL_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    position: int
    waiting_for: str
    lease_ttl: _duration_pb2.Duration
    def __init__(self, request_id: _Optional[str] = ..., position: _Optional[int] = ..., waiting_for: _Optional[str] = ..., lease_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Admitted(_message.Message):
    __slots__ = ("request", "resumed", "snapshot")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    request: _request_pb2.Request
    resumed: bool
    snapshot: _session_pb2.Session
    def __init__(self, request: _Optional[_Union[_request_pb2.Request, _Mapping]] = ..., resumed: _Optional[bool] = ..., snapshot: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class Renewed(_message.Message):
    __slots__ = ("lease_expire_time",)
    LEASE_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    lease_expire_time: _timestamp_pb2.Timestamp
    def __init__(self, lease_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CancelRequested(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class LeaseLost(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...
