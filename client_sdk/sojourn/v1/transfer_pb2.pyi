from sojourn.v1 import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExportFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPORT_FORMAT_UNSPECIFIED: _ClassVar[ExportFormat]
    EXPORT_FORMAT_ARCHIVE: _ClassVar[ExportFormat]
    EXPORT_FORMAT_JSON_LINES: _ClassVar[ExportFormat]
EXPORT_FORMAT_UNSPECIFIED: ExportFormat
EXPORT_FORMAT_ARCHIVE: ExportFormat
EXPORT_FORMAT_JSON_LINES: ExportFormat

class Redaction(_message.Message):
    __slots__ = ("keys", "patterns")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    PATTERNS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    patterns: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, keys: _Optional[_Iterable[str]] = ..., patterns: _Optional[_Iterable[str]] = ...) -> None: ...

class ExportSessionRequest(_message.Message):
    __slots__ = ("session_id", "format", "include_artifacts", "redaction")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    REDACTION_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    format: ExportFormat
    include_artifacts: bool
    redaction: Redaction
    def __init__(self, session_id: _Optional[str] = ..., format: _Optional[_Union[ExportFormat, str]] = ..., include_artifacts: _Optional[bool] = ..., redaction: _Optional[_Union[Redaction, _Mapping]] = ...) -> None: ...

class ExportSessionResponse(_message.Message):
    __slots__ = ("data", "revision")
    DATA_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    revision: int
    def __init__(self, data: _Optional[bytes] = ..., revision: _Optional[int] = ...) -> None: ...

class ImportSessionRequest(_message.Message):
    __slots__ = ("header", "data")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    header: ImportHeader
    data: bytes
    def __init__(self, header: _Optional[_Union[ImportHeader, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class ImportHeader(_message.Message):
    __slots__ = ("session_id", "new_id", "dry_run", "format")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_ID_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    new_id: bool
    dry_run: bool
    format: ExportFormat
    def __init__(self, session_id: _Optional[str] = ..., new_id: _Optional[bool] = ..., dry_run: _Optional[bool] = ..., format: _Optional[_Union[ExportFormat, str]] = ...) -> None: ...

class ImportSessionResponse(_message.Message):
    __slots__ = ("session", "source_session_id", "events", "artifacts")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    source_session_id: str
    events: int
    artifacts: int
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., source_session_id: _Optional[str] = ..., events: _Optional[int] = ..., artifacts: _Optional[int] = ...) -> None: ...
