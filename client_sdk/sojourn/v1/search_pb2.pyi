import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sojourn.v1 import event_pb2 as _event_pb2
from sojourn.v1 import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Consistency(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSISTENCY_UNSPECIFIED: _ClassVar[Consistency]
    CONSISTENCY_EVENTUAL: _ClassVar[Consistency]
    CONSISTENCY_STRONG: _ClassVar[Consistency]

class TextSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TEXT_SOURCE_UNSPECIFIED: _ClassVar[TextSource]
    TEXT_SOURCE_PURPOSE: _ClassVar[TextSource]
    TEXT_SOURCE_MESSAGE: _ClassVar[TextSource]
    TEXT_SOURCE_ARGUMENTS: _ClassVar[TextSource]
    TEXT_SOURCE_RESULT: _ClassVar[TextSource]
    TEXT_SOURCE_LOG: _ClassVar[TextSource]
CONSISTENCY_UNSPECIFIED: Consistency
CONSISTENCY_EVENTUAL: Consistency
CONSISTENCY_STRONG: Consistency
TEXT_SOURCE_UNSPECIFIED: TextSource
TEXT_SOURCE_PURPOSE: TextSource
TEXT_SOURCE_MESSAGE: TextSource
TEXT_SOURCE_ARGUMENTS: TextSource
TEXT_SOURCE_RESULT: TextSource
TEXT_SOURCE_LOG: TextSource

class Fragment(_message.Message):
    __slots__ = ("source", "revision", "text", "highlights")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    HIGHLIGHTS_FIELD_NUMBER: _ClassVar[int]
    source: TextSource
    revision: int
    text: str
    highlights: _containers.RepeatedCompositeFieldContainer[Span]
    def __init__(self, source: _Optional[_Union[TextSource, str]] = ..., revision: _Optional[int] = ..., text: _Optional[str] = ..., highlights: _Optional[_Iterable[_Union[Span, _Mapping]]] = ...) -> None: ...

class Span(_message.Message):
    __slots__ = ("begin", "end")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    begin: int
    end: int
    def __init__(self, begin: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class SearchSessionsRequest(_message.Message):
    __slots__ = ("query", "filter", "sources", "consistency", "page_size", "page_token")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    query: str
    filter: _session_pb2.SessionFilter
    sources: _containers.RepeatedScalarFieldContainer[TextSource]
    consistency: Consistency
    page_size: int
    page_token: str
    def __init__(self, query: _Optional[str] = ..., filter: _Optional[_Union[_session_pb2.SessionFilter, _Mapping]] = ..., sources: _Optional[_Iterable[_Union[TextSource, str]]] = ..., consistency: _Optional[_Union[Consistency, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class SearchSessionsResponse(_message.Message):
    __slots__ = ("found", "next_page_token", "lag")
    FOUND_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    found: _containers.RepeatedCompositeFieldContainer[FoundSession]
    next_page_token: str
    lag: _duration_pb2.Duration
    def __init__(self, found: _Optional[_Iterable[_Union[FoundSession, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., lag: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class FoundSession(_message.Message):
    __slots__ = ("session", "fragments")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    FRAGMENTS_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    fragments: _containers.RepeatedCompositeFieldContainer[Fragment]
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., fragments: _Optional[_Iterable[_Union[Fragment, _Mapping]]] = ...) -> None: ...

class CountSessionsRequest(_message.Message):
    __slots__ = ("filter", "consistency")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    filter: _session_pb2.SessionFilter
    consistency: Consistency
    def __init__(self, filter: _Optional[_Union[_session_pb2.SessionFilter, _Mapping]] = ..., consistency: _Optional[_Union[Consistency, str]] = ...) -> None: ...

class CountSessionsResponse(_message.Message):
    __slots__ = ("count", "lag")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    count: int
    lag: _duration_pb2.Duration
    def __init__(self, count: _Optional[int] = ..., lag: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Invocation(_message.Message):
    __slots__ = ("session_id", "id", "tool", "status", "request_id", "start_time", "end_time", "duration", "cost_micros", "arguments", "result", "error")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    id: str
    tool: str
    status: _event_pb2.InvocationStatus
    request_id: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    duration: _duration_pb2.Duration
    cost_micros: int
    arguments: _session_pb2.Value
    result: _session_pb2.Value
    error: str
    def __init__(self, session_id: _Optional[str] = ..., id: _Optional[str] = ..., tool: _Optional[str] = ..., status: _Optional[_Union[_event_pb2.InvocationStatus, str]] = ..., request_id: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cost_micros: _Optional[int] = ..., arguments: _Optional[_Union[_session_pb2.Value, _Mapping]] = ..., result: _Optional[_Union[_session_pb2.Value, _Mapping]] = ..., error: _Optional[str] = ...) -> None: ...

class InvocationFilter(_message.Message):
    __slots__ = ("session_id", "user_id", "project", "tool", "statuses", "running", "started_from", "started_before", "min_duration", "max_duration")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    STARTED_FROM_FIELD_NUMBER: _ClassVar[int]
    STARTED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    MIN_DURATION_FIELD_NUMBER: _ClassVar[int]
    MAX_DURATION_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    user_id: str
    project: str
    tool: str
    statuses: _containers.RepeatedScalarFieldContainer[_event_pb2.InvocationStatus]
    running: bool
    started_from: _timestamp_pb2.Timestamp
    started_before: _timestamp_pb2.Timestamp
    min_duration: _duration_pb2.Duration
    max_duration: _duration_pb2.Duration
    def __init__(self, session_id: _Optional[str] = ..., user_id: _Optional[str] = ..., project: _Optional[str] = ..., tool: _Optional[str] = ..., statuses: _Optional[_Iterable[_Union[_event_pb2.InvocationStatus, str]]] = ..., running: _Optional[bool] = ..., started_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., min_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ListInvocationsRequest(_message.Message):
    __slots__ = ("filter", "consistency", "page_size", "page_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: InvocationFilter
    consistency: Consistency
    page_size: int
    page_token: str
    def __init__(self, filter: _Optional[_Union[InvocationFilter, _Mapping]] = ..., consistency: _Optional[_Union[Consistency, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListInvocationsResponse(_message.Message):
    __slots__ = ("invocations", "next_page_token", "lag")
    INVOCATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    invocations: _containers.RepeatedCompositeFieldContainer[Invocation]
    next_page_token: str
    lag: _duration_pb2.Duration
    def __init__(self, invocations: _Optional[_Iterable[_Union[Invocation, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., lag: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class GetInvocationRequest(_message.Message):
    __slots__ = ("session_id", "invocation_id")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    INVOCATION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    invocation_id: str
    def __init__(self, session_id: _Optional[str] = ..., invocation_id: _Optional[str] = ...) -> None: ...

class GetInvocationResponse(_message.Message):
    __slots__ = ("invocation", "session")
    INVOCATION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    invocation: Invocation
    session: _session_pb2.Session
    def __init__(self, invocation: _Optional[_Union[Invocation, _Mapping]] = ..., session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...
