import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sojourn.v1 import request_pb2 as _request_pb2
from sojourn.v1 import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANGE_KIND_UNSPECIFIED: _ClassVar[ChangeKind]
    CHANGE_KIND_STATE_SET: _ClassVar[ChangeKind]
    CHANGE_KIND_STATE_DELETED: _ClassVar[ChangeKind]
    CHANGE_KIND_STATE_INCREMENTED: _ClassVar[ChangeKind]
    CHANGE_KIND_MESSAGE_APPENDED: _ClassVar[ChangeKind]
    CHANGE_KIND_INVOCATION_STARTED: _ClassVar[ChangeKind]
    CHANGE_KIND_INVOCATION_FINISHED: _ClassVar[ChangeKind]
    CHANGE_KIND_STEP_FINISHED: _ClassVar[ChangeKind]
    CHANGE_KIND_RESULT_SET: _ClassVar[ChangeKind]
    CHANGE_KIND_ARTIFACT_ATTACHED: _ClassVar[ChangeKind]
    CHANGE_KIND_LOG_APPENDED: _ClassVar[ChangeKind]
    CHANGE_KIND_INFO_UPDATED: _ClassVar[ChangeKind]
    CHANGE_KIND_CUSTOM: _ClassVar[ChangeKind]
    CHANGE_KIND_SESSION_CREATED: _ClassVar[ChangeKind]
    CHANGE_KIND_STATUS_CHANGED: _ClassVar[ChangeKind]
    CHANGE_KIND_REQUEST_QUEUED: _ClassVar[ChangeKind]
    CHANGE_KIND_REQUEST_ADMITTED: _ClassVar[ChangeKind]
    CHANGE_KIND_REQUEST_PROGRESSED: _ClassVar[ChangeKind]
    CHANGE_KIND_REQUEST_FINISHED: _ClassVar[ChangeKind]
    CHANGE_KIND_REQUEST_LOST: _ClassVar[ChangeKind]
    CHANGE_KIND_FORKED: _ClassVar[ChangeKind]
    CHANGE_KIND_RESTORED: _ClassVar[ChangeKind]
    CHANGE_KIND_REQUEST_CANCEL_REQUESTED: _ClassVar[ChangeKind]

class MessageRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MESSAGE_ROLE_UNSPECIFIED: _ClassVar[MessageRole]
    MESSAGE_ROLE_USER: _ClassVar[MessageRole]
    MESSAGE_ROLE_ASSISTANT: _ClassVar[MessageRole]
    MESSAGE_ROLE_SYSTEM: _ClassVar[MessageRole]
    MESSAGE_ROLE_TOOL: _ClassVar[MessageRole]

class InvocationStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INVOCATION_STATUS_UNSPECIFIED: _ClassVar[InvocationStatus]
    INVOCATION_STATUS_SUCCEEDED: _ClassVar[InvocationStatus]
    INVOCATION_STATUS_FAILED: _ClassVar[InvocationStatus]
    INVOCATION_STATUS_CANCELLED: _ClassVar[InvocationStatus]
    INVOCATION_STATUS_INTERRUPTED: _ClassVar[InvocationStatus]

class LogLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOG_LEVEL_UNSPECIFIED: _ClassVar[LogLevel]
    LOG_LEVEL_DEBUG: _ClassVar[LogLevel]
    LOG_LEVEL_INFO: _ClassVar[LogLevel]
    LOG_LEVEL_WARNING: _ClassVar[LogLevel]
    LOG_LEVEL_ERROR: _ClassVar[LogLevel]

class RequestOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REQUEST_OUTCOME_UNSPECIFIED: _ClassVar[RequestOutcome]
    REQUEST_OUTCOME_SUCCEEDED: _ClassVar[RequestOutcome]
    REQUEST_OUTCOME_FAILED: _ClassVar[RequestOutcome]
    REQUEST_OUTCOME_CANCELLED: _ClassVar[RequestOutcome]
CHANGE_KIND_UNSPECIFIED: ChangeKind
CHANGE_KIND_STATE_SET: ChangeKind
CHANGE_KIND_STATE_DELETED: ChangeKind
CHANGE_KIND_STATE_INCREMENTED: ChangeKind
CHANGE_KIND_MESSAGE_APPENDED: ChangeKind
CHANGE_KIND_INVOCATION_STARTED: ChangeKind
CHANGE_KIND_INVOCATION_FINISHED: ChangeKind
CHANGE_KIND_STEP_FINISHED: ChangeKind
CHANGE_KIND_RESULT_SET: ChangeKind
CHANGE_KIND_ARTIFACT_ATTACHED: ChangeKind
CHANGE_KIND_LOG_APPENDED: ChangeKind
CHANGE_KIND_INFO_UPDATED: ChangeKind
CHANGE_KIND_CUSTOM: ChangeKind
CHANGE_KIND_SESSION_CREATED: ChangeKind
CHANGE_KIND_STATUS_CHANGED: ChangeKind
CHANGE_KIND_REQUEST_QUEUED: ChangeKind
CHANGE_KIND_REQUEST_ADMITTED: ChangeKind
CHANGE_KIND_REQUEST_PROGRESSED: ChangeKind
CHANGE_KIND_REQUEST_FINISHED: ChangeKind
CHANGE_KIND_REQUEST_LOST: ChangeKind
CHANGE_KIND_FORKED: ChangeKind
CHANGE_KIND_RESTORED: ChangeKind
CHANGE_KIND_REQUEST_CANCEL_REQUESTED: ChangeKind
MESSAGE_ROLE_UNSPECIFIED: MessageRole
MESSAGE_ROLE_USER: MessageRole
MESSAGE_ROLE_ASSISTANT: MessageRole
MESSAGE_ROLE_SYSTEM: MessageRole
MESSAGE_ROLE_TOOL: MessageRole
INVOCATION_STATUS_UNSPECIFIED: InvocationStatus
INVOCATION_STATUS_SUCCEEDED: InvocationStatus
INVOCATION_STATUS_FAILED: InvocationStatus
INVOCATION_STATUS_CANCELLED: InvocationStatus
INVOCATION_STATUS_INTERRUPTED: InvocationStatus
LOG_LEVEL_UNSPECIFIED: LogLevel
LOG_LEVEL_DEBUG: LogLevel
LOG_LEVEL_INFO: LogLevel
LOG_LEVEL_WARNING: LogLevel
LOG_LEVEL_ERROR: LogLevel
REQUEST_OUTCOME_UNSPECIFIED: RequestOutcome
REQUEST_OUTCOME_SUCCEEDED: RequestOutcome
REQUEST_OUTCOME_FAILED: RequestOutcome
REQUEST_OUTCOME_CANCELLED: RequestOutcome

class Event(_message.Message):
    __slots__ = ("session_id", "revision", "commit_time", "cursor", "writer", "changes")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    WRITER_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    revision: int
    commit_time: _timestamp_pb2.Timestamp
    cursor: _session_pb2.Cursor
    writer: str
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    def __init__(self, session_id: _Optional[str] = ..., revision: _Optional[int] = ..., commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cursor: _Optional[_Union[_session_pb2.Cursor, _Mapping]] = ..., writer: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("state_set", "state_deleted", "state_incremented", "message_appended", "invocation_started", "invocation_finished", "step_finished", "result_set", "artifact_attached", "log_appended", "info_updated", "custom", "session_created", "status_changed", "request_queued", "request_admitted", "request_progressed", "request_finished", "request_lost", "forked", "restored", "request_cancel_requested")
    STATE_SET_FIELD_NUMBER: _ClassVar[int]
    STATE_DELETED_FIELD_NUMBER: _ClassVar[int]
    STATE_INCREMENTED_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_APPENDED_FIELD_NUMBER: _ClassVar[int]
    INVOCATION_STARTED_FIELD_NUMBER: _ClassVar[int]
    INVOCATION_FINISHED_FIELD_NUMBER: _ClassVar[int]
    STEP_FINISHED_FIELD_NUMBER: _ClassVar[int]
    RESULT_SET_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_ATTACHED_FIELD_NUMBER: _ClassVar[int]
    LOG_APPENDED_FIELD_NUMBER: _ClassVar[int]
    INFO_UPDATED_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELD_NUMBER: _ClassVar[int]
    SESSION_CREATED_FIELD_NUMBER: _ClassVar[int]
    STATUS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_QUEUED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ADMITTED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_PROGRESSED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FINISHED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_LOST_FIELD_NUMBER: _ClassVar[int]
    FORKED_FIELD_NUMBER: _ClassVar[int]
    RESTORED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    state_set: StateSet
    state_deleted: StateDeleted
    state_incremented: StateIncremented
    message_appended: MessageAppended
    invocation_started: InvocationStarted
    invocation_finished: InvocationFinished
    step_finished: StepFinished
    result_set: ResultSet
    artifact_attached: ArtifactAttached
    log_appended: LogAppended
    info_updated: InfoUpdated
    custom: Custom
    session_created: SessionCreated
    status_changed: StatusChanged
    request_queued: RequestQueued
    request_admitted: RequestAdmitted
    request_progressed: RequestProgressed
    request_finished: RequestFinished
    request_lost: RequestLost
    forked: Forked
    restored: Restored
    request_cancel_requested: RequestCancelRequested
    def __init__(self, state_set: _Optional[_Union[StateSet, _Mapping]] = ..., state_deleted: _Optional[_Union[StateDeleted, _Mapping]] = ..., state_incremented: _Optional[_Union[StateIncremented, _Mapping]] = ..., message_appended: _Optional[_Union[MessageAppended, _Mapping]] = ..., invocation_started: _Optional[_Union[InvocationStarted, _Mapping]] = ..., invocation_finished: _Optional[_Union[InvocationFinished, _Mapping]] = ..., step_finished: _Optional[_Union[StepFinished, _Mapping]] = ..., result_set: _Optional[_Union[ResultSet, _Mapping]] = ..., artifact_attached: _Optional[_Union[ArtifactAttached, _Mapping]] = ..., log_appended: _Optional[_Union[LogAppended, _Mapping]] = ..., info_updated: _Optional[_Union[InfoUpdated, _Mapping]] = ..., custom: _Optional[_Union[Custom, _Mapping]] = ..., session_created: _Optional[_Union[SessionCreated, _Mapping]] = ..., status_changed: _Optional[_Union[StatusChanged, _Mapping]] = ..., request_queued: _Optional[_Union[RequestQueued, _Mapping]] = ..., request_admitted: _Optional[_Union[RequestAdmitted, _Mapping]] = ..., request_progressed: _Optional[_Union[RequestProgressed, _Mapping]] = ..., request_finished: _Optional[_Union[RequestFinished, _Mapping]] = ..., request_lost: _Optional[_Union[RequestLost, _Mapping]] = ..., forked: _Optional[_Union[Forked, _Mapping]] = ..., restored: _Optional[_Union[Restored, _Mapping]] = ..., request_cancel_requested: _Optional[_Union[RequestCancelRequested, _Mapping]] = ...) -> None: ...

class StateSet(_message.Message):
    __slots__ = ("values",)
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _session_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_session_pb2.Value, _Mapping]] = ...) -> None: ...
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.MessageMap[str, _session_pb2.Value]
    def __init__(self, values: _Optional[_Mapping[str, _session_pb2.Value]] = ...) -> None: ...

class StateDeleted(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, keys: _Optional[_Iterable[str]] = ...) -> None: ...

class StateIncremented(_message.Message):
    __slots__ = ("key", "delta")
    KEY_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    key: str
    delta: int
    def __init__(self, key: _Optional[str] = ..., delta: _Optional[int] = ...) -> None: ...

class MessageAppended(_message.Message):
    __slots__ = ("role", "content", "parts", "tool_name", "invocation_id", "usage")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    TOOL_NAME_FIELD_NUMBER: _ClassVar[int]
    INVOCATION_ID_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    role: MessageRole
    content: str
    parts: _containers.RepeatedCompositeFieldContainer[_session_pb2.Value]
    tool_name: str
    invocation_id: str
    usage: _session_pb2.Usage
    def __init__(self, role: _Optional[_Union[MessageRole, str]] = ..., content: _Optional[str] = ..., parts: _Optional[_Iterable[_Union[_session_pb2.Value, _Mapping]]] = ..., tool_name: _Optional[str] = ..., invocation_id: _Optional[str] = ..., usage: _Optional[_Union[_session_pb2.Usage, _Mapping]] = ...) -> None: ...

class InvocationStarted(_message.Message):
    __slots__ = ("invocation_id", "tool", "arguments", "request_id")
    INVOCATION_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    invocation_id: str
    tool: str
    arguments: _session_pb2.Value
    request_id: str
    def __init__(self, invocation_id: _Optional[str] = ..., tool: _Optional[str] = ..., arguments: _Optional[_Union[_session_pb2.Value, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class InvocationFinished(_message.Message):
    __slots__ = ("invocation_id", "tool", "status", "result", "error", "duration", "usage")
    INVOCATION_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    invocation_id: str
    tool: str
    status: InvocationStatus
    result: _session_pb2.Value
    error: str
    duration: _duration_pb2.Duration
    usage: _session_pb2.Usage
    def __init__(self, invocation_id: _Optional[str] = ..., tool: _Optional[str] = ..., status: _Optional[_Union[InvocationStatus, str]] = ..., result: _Optional[_Union[_session_pb2.Value, _Mapping]] = ..., error: _Optional[str] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., usage: _Optional[_Union[_session_pb2.Usage, _Mapping]] = ...) -> None: ...

class StepFinished(_message.Message):
    __slots__ = ("name", "run", "status", "duration", "output", "error")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    name: str
    run: int
    status: _session_pb2.StepStatus
    duration: _duration_pb2.Duration
    output: _session_pb2.Value
    error: str
    def __init__(self, name: _Optional[str] = ..., run: _Optional[int] = ..., status: _Optional[_Union[_session_pb2.StepStatus, str]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., output: _Optional[_Union[_session_pb2.Value, _Mapping]] = ..., error: _Optional[str] = ...) -> None: ...

class ResultSet(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: _session_pb2.Value
    def __init__(self, name: _Optional[str] = ..., value: _Optional[_Union[_session_pb2.Value, _Mapping]] = ...) -> None: ...

class ArtifactAttached(_message.Message):
    __slots__ = ("name", "version", "content_type", "size_bytes", "sha256", "phase", "labels", "uri")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    content_type: str
    size_bytes: int
    sha256: str
    phase: str
    labels: _containers.ScalarMap[str, str]
    uri: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., content_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ..., phase: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., uri: _Optional[str] = ...) -> None: ...

class LogAppended(_message.Message):
    __slots__ = ("level", "text")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    level: LogLevel
    text: str
    def __init__(self, level: _Optional[_Union[LogLevel, str]] = ..., text: _Optional[str] = ...) -> None: ...

class InfoUpdated(_message.Message):
    __slots__ = ("purpose", "add_tags", "remove_tags", "set_metadata", "remove_metadata")
    class SetMetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _session_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_session_pb2.Value, _Mapping]] = ...) -> None: ...
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    ADD_TAGS_FIELD_NUMBER: _ClassVar[int]
    REMOVE_TAGS_FIELD_NUMBER: _ClassVar[int]
    SET_METADATA_FIELD_NUMBER: _ClassVar[int]
    REMOVE_METADATA_FIELD_NUMBER: _ClassVar[int]
    purpose: str
    add_tags: _containers.RepeatedScalarFieldContainer[str]
    remove_tags: _containers.RepeatedScalarFieldContainer[str]
    set_metadata: _containers.MessageMap[str, _session_pb2.Value]
    remove_metadata: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, purpose: _Optional[str] = ..., add_tags: _Optional[_Iterable[str]] = ..., remove_tags: _Optional[_Iterable[str]] = ..., set_metadata: _Optional[_Mapping[str, _session_pb2.Value]] = ..., remove_metadata: _Optional[_Iterable[str]] = ...) -> None: ...

class Custom(_message.Message):
    __slots__ = ("type", "payload")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    type: str
    payload: _session_pb2.Value
    def __init__(self, type: _Optional[str] = ..., payload: _Optional[_Union[_session_pb2.Value, _Mapping]] = ...) -> None: ...

class SessionCreated(_message.Message):
    __slots__ = ("uid", "kind", "user_id", "project", "purpose", "tags", "metadata", "state", "parent", "idle_timeout", "max_lifetime", "max_concurrent_requests")
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
    UID_FIELD_NUMBER: _ClassVar[int]
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
    uid: str
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
    def __init__(self, uid: _Optional[str] = ..., kind: _Optional[str] = ..., user_id: _Optional[str] = ..., project: _Optional[str] = ..., purpose: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Mapping[str, _session_pb2.Value]] = ..., state: _Optional[_Mapping[str, _session_pb2.Value]] = ..., parent: _Optional[str] = ..., idle_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_lifetime: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_concurrent_requests: _Optional[int] = ...) -> None: ...

class StatusChanged(_message.Message):
    __slots__ = ("status", "error")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    status: _session_pb2.SessionStatus
    error: str
    def __init__(self, status: _Optional[_Union[_session_pb2.SessionStatus, str]] = ..., error: _Optional[str] = ...) -> None: ...

class RequestQueued(_message.Message):
    __slots__ = ("request_id", "name", "priority", "exclusive", "pool", "interrupts")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EXCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    priority: int
    exclusive: bool
    pool: str
    interrupts: bool
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., priority: _Optional[int] = ..., exclusive: _Optional[bool] = ..., pool: _Optional[str] = ..., interrupts: _Optional[bool] = ...) -> None: ...

class RequestAdmitted(_message.Message):
    __slots__ = ("request_id", "name", "fencing_token", "exclusive", "pool_slot", "priority")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FENCING_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    POOL_SLOT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    fencing_token: int
    exclusive: bool
    pool_slot: _request_pb2.PoolSlot
    priority: int
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., fencing_token: _Optional[int] = ..., exclusive: _Optional[bool] = ..., pool_slot: _Optional[_Union[_request_pb2.PoolSlot, _Mapping]] = ..., priority: _Optional[int] = ...) -> None: ...

class RequestProgressed(_message.Message):
    __slots__ = ("request_id", "fraction", "text")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fraction: float
    text: str
    def __init__(self, request_id: _Optional[str] = ..., fraction: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...

class RequestFinished(_message.Message):
    __slots__ = ("request_id", "outcome", "error")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    outcome: RequestOutcome
    error: str
    def __init__(self, request_id: _Optional[str] = ..., outcome: _Optional[_Union[RequestOutcome, str]] = ..., error: _Optional[str] = ...) -> None: ...

class RequestLost(_message.Message):
    __slots__ = ("request_id", "fencing_token", "cause")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FENCING_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fencing_token: int
    cause: str
    def __init__(self, request_id: _Optional[str] = ..., fencing_token: _Optional[int] = ..., cause: _Optional[str] = ...) -> None: ...

class RequestCancelRequested(_message.Message):
    __slots__ = ("request_id", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Forked(_message.Message):
    __slots__ = ("parent_id", "parent_revision", "uid")
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_REVISION_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    parent_id: str
    parent_revision: int
    uid: str
    def __init__(self, parent_id: _Optional[str] = ..., parent_revision: _Optional[int] = ..., uid: _Optional[str] = ...) -> None: ...

class Restored(_message.Message):
    __slots__ = ("restored_revision",)
    RESTORED_REVISION_FIELD_NUMBER: _ClassVar[int]
    restored_revision: int
    def __init__(self, restored_revision: _Optional[int] = ...) -> None: ...
