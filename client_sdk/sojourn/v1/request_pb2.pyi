import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RequestPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REQUEST_POLICY_UNSPECIFIED: _ClassVar[RequestPolicy]
    REQUEST_POLICY_QUEUE: _ClassVar[RequestPolicy]
    REQUEST_POLICY_REJECT: _ClassVar[RequestPolicy]
    REQUEST_POLICY_INTERRUPT: _ClassVar[RequestPolicy]
    REQUEST_POLICY_REPLACE_QUEUED: _ClassVar[RequestPolicy]

class RequestState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REQUEST_STATE_UNSPECIFIED: _ClassVar[RequestState]
    REQUEST_STATE_QUEUED: _ClassVar[RequestState]
    REQUEST_STATE_ADMITTED: _ClassVar[RequestState]
REQUEST_POLICY_UNSPECIFIED: RequestPolicy
REQUEST_POLICY_QUEUE: RequestPolicy
REQUEST_POLICY_REJECT: RequestPolicy
REQUEST_POLICY_INTERRUPT: RequestPolicy
REQUEST_POLICY_REPLACE_QUEUED: RequestPolicy
REQUEST_STATE_UNSPECIFIED: RequestState
REQUEST_STATE_QUEUED: RequestState
REQUEST_STATE_ADMITTED: RequestState

class PoolSlot(_message.Message):
    __slots__ = ("pool", "slot", "fencing_token")
    POOL_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    FENCING_TOKEN_FIELD_NUMBER: _ClassVar[int]
    pool: str
    slot: int
    fencing_token: int
    def __init__(self, pool: _Optional[str] = ..., slot: _Optional[int] = ..., fencing_token: _Optional[int] = ...) -> None: ...

class Request(_message.Message):
    __slots__ = ("session_id", "id", "name", "state", "priority", "policy", "exclusive", "user_id", "project", "pool", "fencing_token", "pool_slot", "position", "waiting_for", "lease_ttl", "lease_expire_time", "begin_time", "admit_time", "progress", "progress_text", "cancel_requested", "cancel_reason")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    EXCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    FENCING_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POOL_SLOT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    LEASE_TTL_FIELD_NUMBER: _ClassVar[int]
    LEASE_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    BEGIN_TIME_FIELD_NUMBER: _ClassVar[int]
    ADMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_TEXT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REASON_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    id: str
    name: str
    state: RequestState
    priority: int
    policy: RequestPolicy
    exclusive: bool
    user_id: str
    project: str
    pool: str
    fencing_token: int
    pool_slot: PoolSlot
    position: int
    waiting_for: str
    lease_ttl: _duration_pb2.Duration
    lease_expire_time: _timestamp_pb2.Timestamp
    begin_time: _timestamp_pb2.Timestamp
    admit_time: _timestamp_pb2.Timestamp
    progress: float
    progress_text: str
    cancel_requested: bool
    cancel_reason: str
    def __init__(self, session_id: _Optional[str] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., state: _Optional[_Union[RequestState, str]] = ..., priority: _Optional[int] = ..., policy: _Optional[_Union[RequestPolicy, str]] = ..., exclusive: _Optional[bool] = ..., user_id: _Optional[str] = ..., project: _Optional[str] = ..., pool: _Optional[str] = ..., fencing_token: _Optional[int] = ..., pool_slot: _Optional[_Union[PoolSlot, _Mapping]] = ..., position: _Optional[int] = ..., waiting_for: _Optional[str] = ..., lease_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., lease_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., begin_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., admit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., progress: _Optional[float] = ..., progress_text: _Optional[str] = ..., cancel_requested: _Optional[bool] = ..., cancel_reason: _Optional[str] = ...) -> None: ...

class Pool(_message.Message):
    __slots__ = ("name", "size", "used", "queued")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    name: str
    size: int
    used: int
    queued: int
    def __init__(self, name: _Optional[str] = ..., size: _Optional[int] = ..., used: _Optional[int] = ..., queued: _Optional[int] = ...) -> None: ...
