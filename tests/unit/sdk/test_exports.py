"""The public names, frozen: a change here is a change for every user."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import sojourn

PUBLIC = """
AccessDeniedError Artifact ArtifactAttached ArtifactCorruptError ArtifactNotFoundError ArtifactReader Batching
BlobsUnavailableError CatalogUnavailableError Change ChangeKind Check CheckStatus CleanedSession CleanupAction
CleanupProgress Client ClientAlreadyConnectedError ClientClosedError ClientNotConnectedError ClientStateError
Comparison Consistency Counters CursorInFutureError CursorMalformedError CursorTooOldError Custom
DeadlineExceededError Diagnosis Difference Durability Event ExportResult FencingTokenRejectedError FileInvalidError
Forked FoundInvocation FoundSession Fragment HistoryRolledBackError IdempotencyKeyReusedError ImportResult InfoUpdated
IntegerOverflowError InvalidFieldError InvalidRequestError Invocation InvocationCall InvocationFinished
InvocationNotFoundError InvocationStarted InvocationStatus Keepalive LeaseLostError LimitExceededError LogAppended
LogLevel Message MessageAppended MessageRole NotAnIntegerError OutcomeUnknownError PageTokenInvalidError Pool
PoolHandle PoolNotFoundError PoolSlot PreconditionError ProtocolError QueueTimeoutError Request RequestAdmitted
RequestCancelRequested RequestCancelledError RequestEndedError RequestFinished RequestLost RequestNotAdmittedError
RequestNotFoundError RequestOutcome RequestPolicy RequestProgressed RequestQueued RequestState RequestSupersededError
ResourceExhaustedError Restored ResultSet Results ResumeError RetryPolicy RevisionConflictError ServerDrainingError
ServerError ServerUnreachableError Session SessionAlreadyExistsError SessionArchived SessionCreated SessionDeleted
SessionDeletedError SessionEndedError SessionHandle SessionNotFoundError SessionNotLoadedError SessionReplacedError
SessionStatistics SessionStatus SessionWatch SessionsWatch Signal SlowConsumerError SojournError StateDeleted
StateIncremented StateLimitExceededError StateSet Statistics StatisticsBucket StatisticsReport StatusChanged
StatusConflictError StepComparison StepFinished StepStatus StepSummary Storage StoreFullError StoreUnavailableError
TLS Template TemplateAlreadyExistsError TemplateNotFoundError TextSource Thread ThreadAccessDeniedError ThreadContext
ThreadQuery Tier Timeouts TooLargeError ToolComparison
ToolStatistics TrackedRequest TrackingError UnavailableError UnknownChange UploadNotFoundError Usage ValueComparison
Watching Write WriteResult
"""
MODULES = [
    "artifacts",
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
]


def test_the_public_names_are_these():
    assert sorted(sojourn.__all__) == sorted(PUBLIC.split())


def test_every_name_is_there_and_what_type_checkers_see_is_what_one_gets():
    source = ast.parse(Path(sojourn.__file__).read_text())
    seen = {
        alias.name: node.module
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
        for alias in node.names
    }
    assert sorted(seen) == sorted(sojourn.__all__)
    for name, module in seen.items():
        assert getattr(sojourn, name) is getattr(importlib.import_module(f"sojourn.{module}"), name)
    for module in MODULES:
        assert getattr(sojourn, module) is importlib.import_module(f"sojourn.{module}")
    assert set(sojourn.__all__) <= set(dir(sojourn))
    assert not hasattr(sojourn, "no_such_name")


def loaded_after(code: str) -> set[str]:
    """Top-level names and the packages of interest that are loaded after the code ran in a fresh Python."""
    program = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_next_to_nothing():
    loaded = loaded_after("import sojourn, sojourn.errors, sojourn.testing.plugin")
    assert not loaded & {"grpc", "google.protobuf", "pydantic", "sojourn_server"}


def test_the_client_needs_nothing_of_the_server():
    loaded = loaded_after("import sojourn\nfor name in sojourn.__all__: getattr(sojourn, name)")
    assert "grpc" in loaded
    assert not loaded & {"redis", "sqlalchemy", "sojourn_server", "uvloop", "structlog", "click", "rich"}


def test_only_the_transport_knows_protobuf_and_grpc():
    package = Path(sojourn.__file__).parent
    for path in package.rglob("*.py"):
        if {"v1", "_transport"} & set(path.relative_to(package).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert not name.startswith(("grpc", "google", "sojourn.v1")), f"{path.name} imports {name}"
