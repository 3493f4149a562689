"""QA tests as sessions: watched live, resumed anywhere, kept with their screenshots and logs.

from sojourn.qa import QAClient, QAContext, qa_test, step

@step
async def open_page(context: QAContext) -> str: ...

@qa_test("my_test")
async def my_test(context: QAContext) -> None:
    await open_page(context)

result = await QAClient(user_id="user1", project="auth_tests").run_qa_test("my_test")
print(result["context_summary"]["session_id"], result["success_rate"], result["failed_nodes"])
"""

from .client import QAClient
from .context import QAContext
from .decorators import qa_test, setup, step
from .errors import (
    CycleError,
    DuplicateNameError,
    OutputError,
    QAError,
    SessionBusyError,
    TestMismatchError,
    UnknownNodeError,
    UnknownTestError,
    WorkflowError,
)
from .manager import QASessionManager, SessionMemory, get_session_logs
from .models import ContextSummary, QAResult, QASessionObject, QASessionSummary, SessionCount
from .registry import Registry, default_registry
from .screenshots import Screenshot
from .settings import QASettings
from .workflow import Node, Workflow

__all__ = [
    "ContextSummary",
    "CycleError",
    "DuplicateNameError",
    "Node",
    "OutputError",
    "QAClient",
    "QAContext",
    "QAError",
    "QAResult",
    "QASessionManager",
    "QASessionObject",
    "QASessionSummary",
    "QASettings",
    "Registry",
    "Screenshot",
    "SessionBusyError",
    "SessionCount",
    "SessionMemory",
    "TestMismatchError",
    "UnknownNodeError",
    "UnknownTestError",
    "Workflow",
    "WorkflowError",
    "default_registry",
    "get_session_logs",
    "qa_test",
    "setup",
    "step",
]
