import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sojourn.v1 import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StatisticsGroup(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATISTICS_GROUP_UNSPECIFIED: _ClassVar[StatisticsGroup]
    STATISTICS_GROUP_USER: _ClassVar[StatisticsGroup]
    STATISTICS_GROUP_PROJECT: _ClassVar[StatisticsGroup]

class Difference(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIFFERENCE_UNSPECIFIED: _ClassVar[Difference]
    DIFFERENCE_SAME: _ClassVar[Difference]
    DIFFERENCE_ADDED: _ClassVar[Difference]
    DIFFERENCE_REMOVED: _ClassVar[Difference]
    DIFFERENCE_CHANGED: _ClassVar[Difference]
STATISTICS_GROUP_UNSPECIFIED: StatisticsGroup
STATISTICS_GROUP_USER: StatisticsGroup
STATISTICS_GROUP_PROJECT: StatisticsGroup
DIFFERENCE_UNSPECIFIED: Difference
DIFFERENCE_SAME: Difference
DIFFERENCE_ADDED: Difference
DIFFERENCE_REMOVED: Difference
DIFFERENCE_CHANGED: Difference

class ToolStatistics(_message.Message):
    __slots__ = ("tool", "invocations", "succeeded", "failed", "running", "total_duration", "max_duration", "cost_micros")
    TOOL_FIELD_NUMBER: _ClassVar[int]
    INVOCATIONS_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    TOTAL_DURATION_FIELD_NUMBER: _ClassVar[int]
    MAX_DURATION_FIELD_NUMBER: _ClassVar[int]
    COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    tool: str
    invocations: int
    succeeded: int
    failed: int
    running: int
    total_duration: _duration_pb2.Duration
    max_duration: _duration_pb2.Duration
    cost_micros: int
    def __init__(self, tool: _Optional[str] = ..., invocations: _Optional[int] = ..., succeeded: _Optional[int] = ..., failed: _Optional[int] = ..., running: _Optional[int] = ..., total_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cost_micros: _Optional[int] = ...) -> None: ...

class Statistics(_message.Message):
    __slots__ = ("sessions", "sessions_by_status", "counters", "usage", "tools", "tool_duration", "invocation_success_rate", "steps_passed", "steps_failed", "steps_skipped", "step_success_rate", "session_duration")
    class SessionsByStatusEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_BY_STATUS_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_DURATION_FIELD_NUMBER: _ClassVar[int]
    INVOCATION_SUCCESS_RATE_FIELD_NUMBER: _ClassVar[int]
    STEPS_PASSED_FIELD_NUMBER: _ClassVar[int]
    STEPS_FAILED_FIELD_NUMBER: _ClassVar[int]
    STEPS_SKIPPED_FIELD_NUMBER: _ClassVar[int]
    STEP_SUCCESS_RATE_FIELD_NUMBER: _ClassVar[int]
    SESSION_DURATION_FIELD_NUMBER: _ClassVar[int]
    sessions: int
    sessions_by_status: _containers.ScalarMap[str, int]
    counters: _session_pb2.Counters
    usage: _session_pb2.Usage
    tools: _containers.RepeatedCompositeFieldContainer[ToolStatistics]
    tool_duration: _duration_pb2.Duration
    invocation_success_rate: float
    steps_passed: int
    steps_failed: int
    steps_skipped: int
    step_success_rate: float
    session_duration: _duration_pb2.Duration
    def __init__(self, sessions: _Optional[int] = ..., sessions_by_status: _Optional[_Mapping[str, int]] = ..., counters: _Optional[_Union[_session_pb2.Counters, _Mapping]] = ..., usage: _Optional[_Union[_session_pb2.Usage, _Mapping]] = ..., tools: _Optional[_Iterable[_Union[ToolStatistics, _Mapping]]] = ..., tool_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., invocation_success_rate: _Optional[float] = ..., steps_passed: _Optional[int] = ..., steps_failed: _Optional[int] = ..., steps_skipped: _Optional[int] = ..., step_success_rate: _Optional[float] = ..., session_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class GetSessionStatisticsRequest(_message.Message):
    __slots__ = ("session_id", "include_children")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_CHILDREN_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    include_children: bool
    def __init__(self, session_id: _Optional[str] = ..., include_children: _Optional[bool] = ...) -> None: ...

class GetSessionStatisticsResponse(_message.Message):
    __slots__ = ("statistics", "roll_up")
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    ROLL_UP_FIELD_NUMBER: _ClassVar[int]
    statistics: Statistics
    roll_up: Statistics
    def __init__(self, statistics: _Optional[_Union[Statistics, _Mapping]] = ..., roll_up: _Optional[_Union[Statistics, _Mapping]] = ...) -> None: ...

class GetStatisticsRequest(_message.Message):
    __slots__ = ("filter", "period", "group_by")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    filter: _session_pb2.SessionFilter
    period: _duration_pb2.Duration
    group_by: StatisticsGroup
    def __init__(self, filter: _Optional[_Union[_session_pb2.SessionFilter, _Mapping]] = ..., period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., group_by: _Optional[_Union[StatisticsGroup, str]] = ...) -> None: ...

class GetStatisticsResponse(_message.Message):
    __slots__ = ("total", "buckets")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    BUCKETS_FIELD_NUMBER: _ClassVar[int]
    total: Statistics
    buckets: _containers.RepeatedCompositeFieldContainer[StatisticsBucket]
    def __init__(self, total: _Optional[_Union[Statistics, _Mapping]] = ..., buckets: _Optional[_Iterable[_Union[StatisticsBucket, _Mapping]]] = ...) -> None: ...

class StatisticsBucket(_message.Message):
    __slots__ = ("begin", "group", "statistics")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    begin: _timestamp_pb2.Timestamp
    group: str
    statistics: Statistics
    def __init__(self, begin: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., group: _Optional[str] = ..., statistics: _Optional[_Union[Statistics, _Mapping]] = ...) -> None: ...

class CompareSessionsRequest(_message.Message):
    __slots__ = ("baseline_id", "session_id")
    BASELINE_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    baseline_id: str
    session_id: str
    def __init__(self, baseline_id: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class CompareSessionsResponse(_message.Message):
    __slots__ = ("baseline", "session", "steps", "results", "state", "tools", "baseline_statistics", "session_statistics")
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    BASELINE_STATISTICS_FIELD_NUMBER: _ClassVar[int]
    SESSION_STATISTICS_FIELD_NUMBER: _ClassVar[int]
    baseline: _session_pb2.Session
    session: _session_pb2.Session
    steps: _containers.RepeatedCompositeFieldContainer[StepComparison]
    results: _containers.RepeatedCompositeFieldContainer[ValueComparison]
    state: _containers.RepeatedCompositeFieldContainer[ValueComparison]
    tools: _containers.RepeatedCompositeFieldContainer[ToolComparison]
    baseline_statistics: Statistics
    session_statistics: Statistics
    def __init__(self, baseline: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., steps: _Optional[_Iterable[_Union[StepComparison, _Mapping]]] = ..., results: _Optional[_Iterable[_Union[ValueComparison, _Mapping]]] = ..., state: _Optional[_Iterable[_Union[ValueComparison, _Mapping]]] = ..., tools: _Optional[_Iterable[_Union[ToolComparison, _Mapping]]] = ..., baseline_statistics: _Optional[_Union[Statistics, _Mapping]] = ..., session_statistics: _Optional[_Union[Statistics, _Mapping]] = ...) -> None: ...

class StepComparison(_message.Message):
    __slots__ = ("name", "difference", "baseline", "session")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    difference: Difference
    baseline: _session_pb2.StepSummary
    session: _session_pb2.StepSummary
    def __init__(self, name: _Optional[str] = ..., difference: _Optional[_Union[Difference, str]] = ..., baseline: _Optional[_Union[_session_pb2.StepSummary, _Mapping]] = ..., session: _Optional[_Union[_session_pb2.StepSummary, _Mapping]] = ...) -> None: ...

class ValueComparison(_message.Message):
    __slots__ = ("name", "difference", "baseline", "session")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    difference: Difference
    baseline: _session_pb2.Value
    session: _session_pb2.Value
    def __init__(self, name: _Optional[str] = ..., difference: _Optional[_Union[Difference, str]] = ..., baseline: _Optional[_Union[_session_pb2.Value, _Mapping]] = ..., session: _Optional[_Union[_session_pb2.Value, _Mapping]] = ...) -> None: ...

class ToolComparison(_message.Message):
    __slots__ = ("tool", "baseline", "session")
    TOOL_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    tool: str
    baseline: ToolStatistics
    session: ToolStatistics
    def __init__(self, tool: _Optional[str] = ..., baseline: _Optional[_Union[ToolStatistics, _Mapping]] = ..., session: _Optional[_Union[ToolStatistics, _Mapping]] = ...) -> None: ...
