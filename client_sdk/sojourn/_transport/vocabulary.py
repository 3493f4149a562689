"""The enums of the wire and those of the SDK, mapped by name so that neither side repeats the other's numbers."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sojourn.v1 import admin_service_pb2, event_pb2, request_pb2, search_pb2, session_pb2, statistics_pb2, tiers_pb2

from .. import enums
from .values import invalid

E = TypeVar("E", bound=StrEnum)


class Vocabulary(Generic[E]):
    """One enum on both sides."""

    def __init__(self, enum: type[E], wire: Any, unspecified: E | None = None) -> None:
        names: list[str] = list(wire.keys())
        prefix = names[0].removesuffix("UNSPECIFIED")
        self._enum = enum
        self._unknown = unspecified if unspecified is not None else enum("unknown")
        self._read: dict[int, E] = {}
        self._write: dict[str, int] = {}
        for name in names[1:]:
            text = name.removeprefix(prefix).lower()
            self._read[wire.Value(name)] = enum(text)
            self._write[text] = wire.Value(name)

    def read(self, number: int) -> E:
        """The member for a number; the vocabulary's unknown member for one it does not have."""
        return self._read.get(number, self._unknown)

    def write(self, text: str, field: str) -> Any:
        """The number for a member or its text. Raises InvalidFieldError for any other text.

        An int; not typed as one because the generated stubs ask for enum classes that do not exist at run time.
        """
        number = self._write.get(text)
        if number is None:
            raise invalid(field, f"one of {', '.join(sorted(self._write))}")
        return number

    def write_all(self, texts: str | Iterable[str] | None, field: str) -> list[Any]:
        """The numbers for one member or several. Raises InvalidFieldError as `write` does."""
        if texts is None:
            return []
        return [self.write(text, field) for text in ([texts] if isinstance(texts, str) else texts)]


SESSION_STATUS = Vocabulary(enums.SessionStatus, session_pb2.SessionStatus)
TIER = Vocabulary(enums.Tier, session_pb2.Tier)
DURABILITY = Vocabulary(enums.Durability, session_pb2.Durability)
STEP_STATUS = Vocabulary(enums.StepStatus, session_pb2.StepStatus)
MESSAGE_ROLE = Vocabulary(enums.MessageRole, event_pb2.MessageRole)
INVOCATION_STATUS = Vocabulary(enums.InvocationStatus, event_pb2.InvocationStatus)
LOG_LEVEL = Vocabulary(enums.LogLevel, event_pb2.LogLevel, unspecified=enums.LogLevel.INFO)
REQUEST_OUTCOME = Vocabulary(enums.RequestOutcome, event_pb2.RequestOutcome)
REQUEST_POLICY = Vocabulary(enums.RequestPolicy, request_pb2.RequestPolicy)
REQUEST_STATE = Vocabulary(enums.RequestState, request_pb2.RequestState)
CONSISTENCY = Vocabulary(enums.Consistency, search_pb2.Consistency, unspecified=enums.Consistency.EVENTUAL)
TEXT_SOURCE = Vocabulary(enums.TextSource, search_pb2.TextSource)
CHECK_STATUS = Vocabulary(enums.CheckStatus, admin_service_pb2.CheckStatus)
DIFFERENCE = Vocabulary(enums.Difference, statistics_pb2.Difference)
CLEANUP_ACTION = Vocabulary(enums.CleanupAction, tiers_pb2.CleanupAction, unspecified=enums.CleanupAction.DELETE)
CHANGE_KIND = Vocabulary(enums.ChangeKind, event_pb2.ChangeKind)
