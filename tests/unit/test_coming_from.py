"""docs/coming-from.md says what became of what people know from other systems, and which test proves it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "coming-from.md"
HEAD = ["theirs", "Sojourn's", "test"]
TEST = re.compile(r"`(tests/\S+\.py)::(\w+(?:::\w+)?)`")

# Every name that the five systems gave to something their users say, set or see: APIs, settings, formats.
NAMES = {
    "qa-agent": """
        QAClient user_id project session_uuid run_qa_test context_summary session_id executed_nodes failed_nodes
        qa-session-{timestamp}-{uuid_hex} browser-{uuid_hex} test-{session_uuid}-{run_number}
        QASessionObject test_name test_results screenshots outputs browser_session results_dir status
        QASessionManager list_active_sessions get_session save_session cleanup_old_sessions max_active_sessions
        list_all_sessions get_session_count active_sessions total_sessions success_rate memory.load_session
        memory_dir results_base_dir QA_RESULTS_DIR QA_MEMORY_DIR QA_MAX_ACTIVE_SESSIONS QAContext context.session_id
        context.test_results get_session_logs session_manager_cli.py --test-name --user-id --max-active --days-old
        --output concurrent_sessions.py asyncio.gather logging.getLogger
    """,
    "testing-web-gui": """
        session_id created_at updated_at user_id status metadata.test_plan .environment .agent_count
        metadata.duration_minutes storage.active storage.snapshot_path storage.archive_path
        webgui/session_manager.py webgui/session_store.py webgui/api/sessions.py Pub/Sub TTL
    """,
    "mcp-tools": """
        SessionManager SessionMetadata ConversationMessage SessionStatus SessionStorage FileSystemSessionStorage
        MemorySessionStorage create_session get_session link_invocation add_conversation_message
        update_session_metadata complete_session list_sessions delete_session cleanup_old_sessions max_age_days
        get_session_statistics tools_used total_duration_ms total_invocations created_at updated_at status user_id
        purpose tags estimated_cost token_usage custom_metadata role content timestamp tool_name invocation_id
        invocation_dir duration_ms limit SESSION_STORAGE_ENABLED SESSION_STORAGE_PATH SESSION_RETENTION_DAYS
        SESSION_STORAGE_BACKEND get_session_storage_path get_session_retention_days metadata.json conversation.jsonl
        invocations.json .sessions/ .history/ record.jsonl set_session_manager set_session call_tool_handler
    """,
    "query-service": """
        thread_id user_id storage_type db_path timeout_hours cleanup_interval_minutes max_sessions_per_user
        /query agent_type query parameters /sessions/{session_id} /users/{user_id}/sessions /sessions/stats
        /sessions/cleanup metadata.thread_id active_sessions_memory query_count last_query last_agent_type created_from
        last_response last_execution_time last_agent_used error_count last_error session_id
    """,
    "chat-server": """
        session_id user_id conversation_id created_at last_activity metadata connection_count active_requests
        initialize_session_manager get_session_manager session_timeout_minutes cleanup_interval_seconds
        max_concurrent_requests start stop create_session get_session get_session_by_user track_request delete_session
        MORGAN_SESSION_TIMEOUT MORGAN_MAX_CONCURRENT get_metrics active_sessions total_sessions_created
        total_sessions_expired total_sessions_cleaned get_health_system increment_active_sessions
        decrement_active_sessions get_active_session_count app.state.session_manager 404 503 ValueError websocket
    """,
}


class Row(NamedTuple):
    """One line of a table."""

    section: str
    theirs: str
    ours: str
    tests: list[tuple[str, str]]
    """Files and the names in them."""
    rest: str
    """What is in the last column besides."""


def rows() -> Iterator[Row]:
    section = ""
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith("## "):
            section = line[3:].strip().lower().replace(" ", "-")
        if line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if cells == HEAD or set("".join(cells)) <= set("-:"):
                continue
            assert len(cells) == len(HEAD), line
            yield Row(section, cells[0], cells[1], TEST.findall(cells[2]), TEST.sub("", cells[2]).strip(" ,"))


@cache
def found_in(path: str) -> frozenset[str]:
    """Names of a file's tests: `test_name` or `TestClass::test_name`."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = set()
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, functions):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, functions)}
    return frozenset(name for name in found if name.split("::")[-1].startswith("test"))


def test_each_row_names_tests_that_exist():
    for row in rows():
        assert row.tests, f"no test proves {row.theirs}"
        assert not row.rest, f"{row.theirs}: the last column is for tests, not for {row.rest!r}"
        missing = [f"{path}::{name}" for path, name in row.tests if name not in found_in(path)]
        assert not missing, row.theirs


def test_each_row_says_what_to_use():
    assert not [row.theirs for row in rows() if not (row.theirs and row.ours)]


def test_each_acceptance_test_is_named_by_a_row():
    named = {test for row in rows() for test in row.tests}
    files = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "systems").rglob("test_*.py"))
    assert files
    assert [f"{path}::{name}" for path in files for name in sorted(found_in(path)) if (path, name) not in named] == []


@pytest.mark.parametrize("system", NAMES)
def test_each_name_of_theirs_has_a_row(system):
    theirs = "\n".join(row.theirs for row in rows() if row.section == system)
    assert [name for name in NAMES[system].split() if name not in theirs] == []
