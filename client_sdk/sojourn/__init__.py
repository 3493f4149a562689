"""Sojourn: coordinates the live sessions of agents.

    import sojourn

    async with sojourn.Client("localhost:7431") as client:
        session = await client.create_session(purpose="review", state={"phase": "start"})
        await session.add_message("user", "Please review the change.")
        async for event in session.watch(after=0):
            print(event.revision, event.changes)

Names are loaded when they are first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import artifacts as artifacts
    from . import changes as changes
    from . import client as client
    from . import comparison as comparison
    from . import config as config
    from . import diagnosis as diagnosis
    from . import embedded as embedded
    from . import enums as enums
    from . import errors as errors
    from . import invocation as invocation
    from . import models as models
    from . import pool as pool
    from . import results as results
    from . import session as session
    from . import statistics as statistics
    from . import templates as templates
    from . import testing as testing
    from . import tiers as tiers
    from . import tracking as tracking
    from . import watch as watch
    from . import write as write
    from .artifacts import ArtifactReader as ArtifactReader
    from .changes import ArtifactAttached as ArtifactAttached
    from .changes import Change as Change
    from .changes import Custom as Custom
    from .changes import Forked as Forked
    from .changes import InfoUpdated as InfoUpdated
    from .changes import InvocationFinished as InvocationFinished
    from .changes import InvocationStarted as InvocationStarted
    from .changes import LogAppended as LogAppended
    from .changes import MessageAppended as MessageAppended
    from .changes import PoolSlot as PoolSlot
    from .changes import RequestAdmitted as RequestAdmitted
    from .changes import RequestCancelRequested as RequestCancelRequested
    from .changes import RequestFinished as RequestFinished
    from .changes import RequestLost as RequestLost
    from .changes import RequestProgressed as RequestProgressed
    from .changes import RequestQueued as RequestQueued
    from .changes import Restored as Restored
    from .changes import ResultSet as ResultSet
    from .changes import SessionCreated as SessionCreated
    from .changes import StateDeleted as StateDeleted
    from .changes import StateIncremented as StateIncremented
    from .changes import StateSet as StateSet
    from .changes import StatusChanged as StatusChanged
    from .changes import StepFinished as StepFinished
    from .changes import UnknownChange as UnknownChange
    from .changes import Usage as Usage
    from .client import Client as Client
    from .comparison import Comparison as Comparison
    from .comparison import StepComparison as StepComparison
    from .comparison import ToolComparison as ToolComparison
    from .comparison import ValueComparison as ValueComparison
    from .config import TLS as TLS
    from .config import Batching as Batching
    from .config import Keepalive as Keepalive
    from .config import RetryPolicy as RetryPolicy
    from .config import Timeouts as Timeouts
    from .config import Watching as Watching
    from .diagnosis import Check as Check
    from .diagnosis import Diagnosis as Diagnosis
    from .enums import ChangeKind as ChangeKind
    from .enums import CheckStatus as CheckStatus
    from .enums import CleanupAction as CleanupAction
    from .enums import Consistency as Consistency
    from .enums import Difference as Difference
    from .enums import Durability as Durability
    from .enums import InvocationStatus as InvocationStatus
    from .enums import LogLevel as LogLevel
    from .enums import MessageRole as MessageRole
    from .enums import RequestOutcome as RequestOutcome
    from .enums import RequestPolicy as RequestPolicy
    from .enums import RequestState as RequestState
    from .enums import SessionStatus as SessionStatus
    from .enums import StepStatus as StepStatus
    from .enums import TextSource as TextSource
    from .enums import Tier as Tier
    from .errors import AccessDeniedError as AccessDeniedError
    from .errors import ArtifactCorruptError as ArtifactCorruptError
    from .errors import ArtifactNotFoundError as ArtifactNotFoundError
    from .errors import BlobsUnavailableError as BlobsUnavailableError
    from .errors import CatalogUnavailableError as CatalogUnavailableError
    from .errors import ClientAlreadyConnectedError as ClientAlreadyConnectedError
    from .errors import ClientClosedError as ClientClosedError
    from .errors import ClientNotConnectedError as ClientNotConnectedError
    from .errors import ClientStateError as ClientStateError
    from .errors import CursorInFutureError as CursorInFutureError
    from .errors import CursorMalformedError as CursorMalformedError
    from .errors import CursorTooOldError as CursorTooOldError
    from .errors import DeadlineExceededError as DeadlineExceededError
    from .errors import FencingTokenRejectedError as FencingTokenRejectedError
    from .errors import FileInvalidError as FileInvalidError
    from .errors import HistoryRolledBackError as HistoryRolledBackError
    from .errors import IdempotencyKeyReusedError as IdempotencyKeyReusedError
    from .errors import IntegerOverflowError as IntegerOverflowError
    from .errors import InvalidFieldError as InvalidFieldError
    from .errors import InvalidRequestError as InvalidRequestError
    from .errors import InvocationNotFoundError as InvocationNotFoundError
    from .errors import LeaseLostError as LeaseLostError
    from .errors import LimitExceededError as LimitExceededError
    from .errors import NotAnIntegerError as NotAnIntegerError
    from .errors import OutcomeUnknownError as OutcomeUnknownError
    from .errors import PageTokenInvalidError as PageTokenInvalidError
    from .errors import PoolNotFoundError as PoolNotFoundError
    from .errors import PreconditionError as PreconditionError
    from .errors import ProtocolError as ProtocolError
    from .errors import QueueTimeoutError as QueueTimeoutError
    from .errors import RequestCancelledError as RequestCancelledError
    from .errors import RequestEndedError as RequestEndedError
    from .errors import RequestNotAdmittedError as RequestNotAdmittedError
    from .errors import RequestNotFoundError as RequestNotFoundError
    from .errors import RequestSupersededError as RequestSupersededError
    from .errors import ResourceExhaustedError as ResourceExhaustedError
    from .errors import ResumeError as ResumeError
    from .errors import RevisionConflictError as RevisionConflictError
    from .errors import ServerDrainingError as ServerDrainingError
    from .errors import ServerError as ServerError
    from .errors import ServerUnreachableError as ServerUnreachableError
    from .errors import SessionAlreadyExistsError as SessionAlreadyExistsError
    from .errors import SessionDeletedError as SessionDeletedError
    from .errors import SessionEndedError as SessionEndedError
    from .errors import SessionNotFoundError as SessionNotFoundError
    from .errors import SessionNotLoadedError as SessionNotLoadedError
    from .errors import SessionReplacedError as SessionReplacedError
    from .errors import SlowConsumerError as SlowConsumerError
    from .errors import SojournError as SojournError
    from .errors import StateLimitExceededError as StateLimitExceededError
    from .errors import StatusConflictError as StatusConflictError
    from .errors import StoreFullError as StoreFullError
    from .errors import StoreUnavailableError as StoreUnavailableError
    from .errors import TemplateAlreadyExistsError as TemplateAlreadyExistsError
    from .errors import TemplateNotFoundError as TemplateNotFoundError
    from .errors import ThreadAccessDeniedError as ThreadAccessDeniedError
    from .errors import TooLargeError as TooLargeError
    from .errors import TrackingError as TrackingError
    from .errors import UnavailableError as UnavailableError
    from .errors import UploadNotFoundError as UploadNotFoundError
    from .invocation import InvocationCall as InvocationCall
    from .models import Artifact as Artifact
    from .models import Counters as Counters
    from .models import Event as Event
    from .models import ExportResult as ExportResult
    from .models import FoundInvocation as FoundInvocation
    from .models import FoundSession as FoundSession
    from .models import Fragment as Fragment
    from .models import ImportResult as ImportResult
    from .models import Invocation as Invocation
    from .models import Message as Message
    from .models import Pool as Pool
    from .models import Request as Request
    from .models import Session as Session
    from .models import SessionArchived as SessionArchived
    from .models import SessionDeleted as SessionDeleted
    from .models import StepSummary as StepSummary
    from .models import Storage as Storage
    from .models import WriteResult as WriteResult
    from .pool import PoolHandle as PoolHandle
    from .results import Results as Results
    from .session import SessionHandle as SessionHandle
    from .statistics import SessionStatistics as SessionStatistics
    from .statistics import Statistics as Statistics
    from .statistics import StatisticsBucket as StatisticsBucket
    from .statistics import StatisticsReport as StatisticsReport
    from .statistics import ToolStatistics as ToolStatistics
    from .templates import Template as Template
    from .thread import Thread as Thread
    from .thread import ThreadContext as ThreadContext
    from .thread import ThreadQuery as ThreadQuery
    from .tiers import CleanedSession as CleanedSession
    from .tiers import CleanupProgress as CleanupProgress
    from .tracking import Signal as Signal
    from .tracking import TrackedRequest as TrackedRequest
    from .watch import SessionsWatch as SessionsWatch
    from .watch import SessionWatch as SessionWatch
    from .write import Write as Write

# fmt: off
_NAMES = {
    "artifacts": ("ArtifactReader",),
    "changes": (
        "ArtifactAttached", "Change", "Custom", "Forked", "InfoUpdated", "InvocationFinished", "InvocationStarted",
        "LogAppended", "MessageAppended", "PoolSlot", "RequestAdmitted", "RequestCancelRequested", "RequestFinished",
        "RequestLost", "RequestProgressed", "RequestQueued", "Restored", "ResultSet", "SessionCreated",
        "StateDeleted", "StateIncremented", "StateSet", "StatusChanged", "StepFinished", "UnknownChange", "Usage",
    ),
    "client": ("Client",),
    "comparison": ("Comparison", "StepComparison", "ToolComparison", "ValueComparison"),
    "config": ("Batching", "Keepalive", "RetryPolicy", "TLS", "Timeouts", "Watching"),
    "diagnosis": ("Check", "Diagnosis"),
    "enums": (
        "ChangeKind", "CheckStatus", "CleanupAction", "Consistency", "Difference", "Durability", "InvocationStatus",
        "LogLevel", "MessageRole", "RequestOutcome", "RequestPolicy", "RequestState", "SessionStatus", "StepStatus",
        "TextSource", "Tier",
    ),
    "errors": (
        "AccessDeniedError", "ArtifactCorruptError", "ArtifactNotFoundError", "BlobsUnavailableError",
        "CatalogUnavailableError", "ClientAlreadyConnectedError", "ClientClosedError", "ClientNotConnectedError",
        "ClientStateError", "CursorInFutureError", "CursorMalformedError", "CursorTooOldError",
        "DeadlineExceededError", "FencingTokenRejectedError", "FileInvalidError", "HistoryRolledBackError",
        "IdempotencyKeyReusedError", "IntegerOverflowError", "InvalidFieldError", "InvalidRequestError",
        "InvocationNotFoundError", "LeaseLostError", "LimitExceededError", "NotAnIntegerError", "OutcomeUnknownError",
        "PageTokenInvalidError", "PoolNotFoundError", "PreconditionError", "ProtocolError", "QueueTimeoutError",
        "RequestCancelledError", "RequestEndedError", "RequestNotAdmittedError", "RequestNotFoundError",
        "RequestSupersededError", "ResourceExhaustedError", "ResumeError", "RevisionConflictError",
        "ServerDrainingError", "ServerError", "ServerUnreachableError", "SessionAlreadyExistsError",
        "SessionDeletedError", "SessionEndedError", "SessionNotFoundError", "SessionNotLoadedError",
        "SessionReplacedError", "SlowConsumerError", "SojournError", "StateLimitExceededError", "StatusConflictError",
        "StoreFullError", "StoreUnavailableError", "TemplateAlreadyExistsError", "TemplateNotFoundError",
        "ThreadAccessDeniedError", "TooLargeError", "TrackingError", "UnavailableError", "UploadNotFoundError",
    ),
    "invocation": ("InvocationCall",),
    "models": (
        "Artifact", "Counters", "Event", "ExportResult", "FoundInvocation", "FoundSession", "Fragment",
        "ImportResult", "Invocation", "Message", "Pool", "Request", "Session", "SessionArchived", "SessionDeleted",
        "StepSummary", "Storage", "WriteResult",
    ),
    "pool": ("PoolHandle",),
    "results": ("Results",),
    "session": ("SessionHandle",),
    "statistics": ("SessionStatistics", "Statistics", "StatisticsBucket", "StatisticsReport", "ToolStatistics"),
    "templates": ("Template",),
    "thread": ("Thread", "ThreadContext", "ThreadQuery"),
    "tiers": ("CleanedSession", "CleanupProgress"),
    "tracking": ("Signal", "TrackedRequest"),
    "watch": ("SessionWatch", "SessionsWatch"),
    "write": ("Write",),
}
# fmt: on
_MODULES = (
    "changes",
    "client",
    "comparison",
    "config",
    "diagnosis",
    "embedded",
    "enums",
    "errors",
    "invocation",
    "models",
    "pool",
    "results",
    "session",
    "statistics",
    "templates",
    "testing",
    "thread",
    "tiers",
    "tracking",
    "watch",
    "write",
)
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "TLS",
    "AccessDeniedError",
    "Artifact",
    "ArtifactAttached",
    "ArtifactCorruptError",
    "ArtifactNotFoundError",
    "ArtifactReader",
    "Batching",
    "BlobsUnavailableError",
    "CatalogUnavailableError",
    "Change",
    "ChangeKind",
    "Check",
    "CheckStatus",
    "CleanedSession",
    "CleanupAction",
    "CleanupProgress",
    "Client",
    "ClientAlreadyConnectedError",
    "ClientClosedError",
    "ClientNotConnectedError",
    "ClientStateError",
    "Comparison",
    "Consistency",
    "Counters",
    "CursorInFutureError",
    "CursorMalformedError",
    "CursorTooOldError",
    "Custom",
    "DeadlineExceededError",
    "Diagnosis",
    "Difference",
    "Durability",
    "Event",
    "ExportResult",
    "FencingTokenRejectedError",
    "FileInvalidError",
    "Forked",
    "FoundInvocation",
    "FoundSession",
    "Fragment",
    "HistoryRolledBackError",
    "IdempotencyKeyReusedError",
    "ImportResult",
    "InfoUpdated",
    "IntegerOverflowError",
    "InvalidFieldError",
    "InvalidRequestError",
    "Invocation",
    "InvocationCall",
    "InvocationFinished",
    "InvocationNotFoundError",
    "InvocationStarted",
    "InvocationStatus",
    "Keepalive",
    "LeaseLostError",
    "LimitExceededError",
    "LogAppended",
    "LogLevel",
    "Message",
    "MessageAppended",
    "MessageRole",
    "NotAnIntegerError",
    "OutcomeUnknownError",
    "PageTokenInvalidError",
    "Pool",
    "PoolHandle",
    "PoolNotFoundError",
    "PoolSlot",
    "PreconditionError",
    "ProtocolError",
    "QueueTimeoutError",
    "Request",
    "RequestAdmitted",
    "RequestCancelRequested",
    "RequestCancelledError",
    "RequestEndedError",
    "RequestFinished",
    "RequestLost",
    "RequestNotAdmittedError",
    "RequestNotFoundError",
    "RequestOutcome",
    "RequestPolicy",
    "RequestProgressed",
    "RequestQueued",
    "RequestState",
    "RequestSupersededError",
    "ResourceExhaustedError",
    "Restored",
    "ResultSet",
    "Results",
    "ResumeError",
    "RetryPolicy",
    "RevisionConflictError",
    "ServerDrainingError",
    "ServerError",
    "ServerUnreachableError",
    "Session",
    "SessionAlreadyExistsError",
    "SessionArchived",
    "SessionCreated",
    "SessionDeleted",
    "SessionDeletedError",
    "SessionEndedError",
    "SessionHandle",
    "SessionNotFoundError",
    "SessionNotLoadedError",
    "SessionReplacedError",
    "SessionStatistics",
    "SessionStatus",
    "SessionWatch",
    "SessionsWatch",
    "Signal",
    "SlowConsumerError",
    "SojournError",
    "StateDeleted",
    "StateIncremented",
    "StateLimitExceededError",
    "StateSet",
    "Statistics",
    "StatisticsBucket",
    "StatisticsReport",
    "StatusChanged",
    "StatusConflictError",
    "StepComparison",
    "StepFinished",
    "StepStatus",
    "StepSummary",
    "Storage",
    "StoreFullError",
    "StoreUnavailableError",
    "Template",
    "TemplateAlreadyExistsError",
    "TemplateNotFoundError",
    "TextSource",
    "Thread",
    "ThreadAccessDeniedError",
    "ThreadContext",
    "ThreadQuery",
    "Tier",
    "Timeouts",
    "TooLargeError",
    "ToolComparison",
    "ToolStatistics",
    "TrackedRequest",
    "TrackingError",
    "UnavailableError",
    "UnknownChange",
    "UploadNotFoundError",
    "Usage",
    "ValueComparison",
    "Watching",
    "Write",
    "WriteResult",
]


if not TYPE_CHECKING:  # a type checker would take every name for an existing one

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return import_module(f".{name}", __name__)
        home = _HOME.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(f".{home}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
