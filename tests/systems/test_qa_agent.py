"""Everything that users of the QA agent's session management could do, in the order of its document."""

import asyncio
import json
import logging
import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

import sojourn
from sojourn.qa import (
    QAClient,
    QAContext,
    QASessionManager,
    QASessionObject,
    QASettings,
    SessionBusyError,
    Workflow,
    get_session_logs,
)
from tests.support.command import sojourn as command
from tests.support.waiting import wait_until

from . import qa_suite
from .qa_suite import PNG


@pytest.fixture
def project():
    """Of this test's sessions alone: others share the server."""
    return f"p{uuid4().hex[:12]}"


@pytest.fixture
def qa(target, tmp_path, project):
    """Makes clients of this test's server, directory and project."""

    def client(user_id="ada", session_uuid=None, **options):
        return QAClient(user_id, project, session_uuid, target=target, results_dir=tmp_path, **options)

    return client


@pytest.fixture
def manager(target, tmp_path):
    return QASessionManager(target=target, results_base_dir=tmp_path)


@pytest.fixture
def workflow():
    """Makes workflows that only this test has."""
    return lambda name="workflow", **options: Workflow(name, register=False, **options)


@pytest.fixture
def diary(tmp_path):
    return qa_suite.Diary(tmp_path)


# Key features


async def test_a_session_is_found_by_its_id(qa, manager):
    session_uuid = (await qa().run_qa_test("my_test"))["session_id"]
    assert (await manager.get_session(session_uuid)).uuid == session_uuid


async def test_several_tests_run_at_once_without_interference(qa, workflow):
    together = asyncio.Barrier(3)

    def meeting(name):
        test = workflow(name)

        @test.step
        async def meet(context: QAContext) -> str:
            async with asyncio.timeout(30):
                await together.wait()
            context.test_results["who"] = name
            return name

        return test

    results = await asyncio.gather(*[qa().run_qa_test(meeting(name)) for name in ("a", "b", "c")])
    assert [result["test_results"] for result in results] == [{"who": "a"}, {"who": "b"}, {"who": "c"}]
    assert [result["outputs"] for result in results] == [{"meet": "a"}, {"meet": "b"}, {"meet": "c"}]
    assert len({result["session_id"] for result in results}) == 3


async def test_ids_have_the_old_forms(qa, client):
    result = await qa().run_qa_test("my_test")
    session_id = result["context_summary"]["session_id"]
    assert re.fullmatch(r"qa-session-\d{10}-[0-9a-f]+", session_id)
    assert re.fullmatch(r"browser-[0-9a-f]+", result["browser_session"])
    assert result["context_summary"]["run_id"] == f"test-{session_id}-1"
    assert (await client.get_session(session_id)).info.state["browser_session"] == result["browser_session"]


async def test_results_of_the_past_are_read_and_analysed(qa, manager, client, project):
    for broken in (False, True):
        await qa().run_qa_test("login_test", inputs={"broken": broken})
    newest, before = await manager.list_all_sessions(project=project, test_name="login_test")
    assert (newest.success_rate, before.success_rate) == (pytest.approx(200 / 3), 100.0)
    found = await client.compare(before.session_id, newest.session_id)
    assert {each.name for each in found.regressions} == {"sign_in", "read_inbox"}


# The session object


async def test_a_session_has_the_fields_of_the_session_object(qa, manager, tmp_path):
    result = await qa().run_qa_test("login_test", inputs={"broken": True})
    found = await manager.get_session(result["session_id"])
    assert isinstance(found, QASessionObject)
    assert found.model_dump(include=set(QASessionObject.model_fields) & set(result)) == {
        name: result[name] for name in QASessionObject.model_fields if name in result
    } | {"screenshots": found.screenshots}
    assert found.test_name == "login_test"
    assert found.outputs == {"open_page": {"title": "Welcome"}, "check_footer": "Welcome"}
    assert set(found.executed_nodes) == {"open_page", "check_footer"}
    assert found.executed_nodes[0] == "open_page"
    assert (found.failed_nodes, found.skipped_nodes) == (["sign_in"], ["read_inbox"])
    assert found.errors["sign_in"] == "AssertionError: the password is wrong"
    assert found.browser_session.startswith("browser-")
    assert Path(found.results_dir).parent == tmp_path
    assert found.status == "failed"


async def test_screenshots_are_kept_by_phase(qa, manager, client):
    session_id = (await qa().run_qa_test("login_test"))["session_id"]
    found = await manager.get_session(session_id)
    assert {phase: [each["node"] for each in taken] for phase, taken in found.screenshots.items()} == {
        "before": ["open_page"],
        "after": ["sign_in"],
    }
    shot = found.screenshots["after"][0]
    data = await client.session(session_id).get_artifact(shot["name"], version=shot["version"])
    assert data == PNG + b"signed in"


async def test_a_node_that_fails_leaves_its_error_its_traceback_and_a_screenshot(qa, client):
    result = await qa().run_qa_test("login_test", inputs={"broken": True})
    session = await client.get_session(result["session_id"])
    assert session.info.error == "1 of 4 nodes failed: sign_in"
    steps = {c.name: c async for e in session.events(kinds="step_finished") for c in e.changes if hasattr(c, "run")}
    assert steps["sign_in"].error == "AssertionError: the password is wrong"
    assert 'raise AssertionError("the password is wrong")' in steps["sign_in"].output["traceback"]
    reference = steps["sign_in"].output["screenshot"]["$artifact"]
    assert await session.get_artifact(reference["name"], version=reference["version"]) == PNG + b"wrong password"
    assert [each["node"] for each in result["screenshots"]["failure"]] == ["sign_in"]


# Usage examples


async def test_basic_usage(qa):
    client = qa()
    result = await client.run_qa_test("my_test")
    assert client.session_id == result["context_summary"]["session_id"]
    assert result["success"]
    assert result["success_rate"] == result["context_summary"]["success_rate"] == 100.0
    assert result["executed_nodes"] == result["context_summary"]["executed_nodes"] == ["my_test"]
    assert result["failed_nodes"] == result["context_summary"]["failed_nodes"] == []
    assert result["test_results"] == {"greeting": "hello"}
    assert result["outputs"] == {"my_test": "done"}


async def test_concurrent_sessions(target, tmp_path, client):
    users = {f"user{n}-{uuid4().hex[:8]}": test for n, test in enumerate(["my_test", "booking_test", "login_test"])}
    clients = [QAClient(user_id=user, project="auth_tests", target=target, results_dir=tmp_path) for user in users]
    results = await asyncio.gather(
        *[each.run_qa_test(test) for each, test in zip(clients, users.values(), strict=True)]
    )
    assert [result["test_name"] for result in results] == list(users.values())
    for user, result in zip(users, results, strict=True):
        listed = [info async for info in client.list_sessions(user_id=user)]
        assert [(info.id, info.project, info.kind) for info in listed] == [
            (result["session_id"], "auth_tests", "qa-session")
        ]


async def test_a_failed_test_goes_on_where_it_stopped(qa):
    first = await qa().run_qa_test("login_test", inputs={"broken": True})
    session_uuid = first["context_summary"]["session_id"]
    second = await qa(session_uuid=session_uuid).run_qa_test(inputs={})
    assert second["session_id"] == session_uuid
    assert set(second["executed_nodes"][:2]) == {"open_page", "check_footer"}
    assert second["executed_nodes"][2:] == ["sign_in", "read_inbox"]
    assert (second["failed_nodes"], second["success_rate"], second["status"]) == ([], 100.0, "completed")
    assert second["context_summary"]["run_id"] == f"test-{session_uuid}-2"
    assert len(second["screenshots"]["before"]) == 1, "open_page was not run again"


async def test_the_steps_of_a_function_that_passed_are_not_run_again(qa):
    first = await qa().run_qa_test("booking_test", inputs={"full": True})
    assert (first["executed_nodes"], first["failed_nodes"]) == (["search"], ["book"])
    assert first["errors"]["book"] == "ValueError: flight LH2034 is full"
    second = await qa(session_uuid=first["session_id"]).run_qa_test(inputs={"full": False})
    assert second["executed_nodes"] == ["search", "book", "book-2", "booking_test"]
    assert second["failed_nodes"] == []


async def test_a_finished_test_has_nothing_left_to_run(qa, client):
    first = await qa().run_qa_test("login_test")
    revision = (await client.get_session(first["session_id"])).info.revision
    second = await qa(session_uuid=first["session_id"]).run_qa_test()
    assert second["executed_nodes"] == first["executed_nodes"]
    assert second["context_summary"]["run_number"] == 1
    assert (await client.get_session(first["session_id"])).info.revision == revision


async def test_what_was_killed_goes_on_elsewhere(qa, target, tmp_path, diary, client):
    session_uuid = await qa().open_session("long_running_test", inputs=diary.inputs)
    session = client.session(session_uuid)
    argument = (sys.executable, "-m", "tests.systems.qa_suite", target, session_uuid, str(tmp_path / "first"))
    process = await asyncio.create_subprocess_exec(*argument)
    try:
        await wait_until(lambda: "wait_for_report" in diary.nodes or process.returncode, timeout=40)
        second = asyncio.create_task(qa(session_uuid=session_uuid).run_qa_test())
        await wait_until(lambda: waiting(session), timeout=30, description="the second waits")
        assert set((await session.refresh()).steps) == {"prepare", "import_data"}
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
    diary.report.touch()
    async with asyncio.timeout(60):
        result = await second
    assert result["executed_nodes"] == ["prepare", "import_data", "wait_for_report", "compare"]
    assert result["outputs"]["compare"] == 200, "the outputs of the first process are there"
    assert diary.nodes == ["prepare", "import_data", "wait_for_report", "wait_for_report", "compare"]
    assert [each["run"] for each in result["screenshots"]["prepared"]] == [1]


async def waiting(session):
    return (await session.refresh()).queued_requests


async def test_a_run_is_watched_live(qa, client, diary):
    one = qa()
    session = client.session(await one.open_session("long_running_test", inputs=diary.inputs))
    seen = []
    async with session.watch(after=0) as watch:
        running = asyncio.create_task(one.run_qa_test())
        async for event in watch:
            seen += event.changes
            if seen[-1].kind == "step_finished" and seen[-1].name == "import_data":
                assert not running.done()
                diary.report.touch()
            if seen[-1].kind == "status_changed":
                break
    await running
    assert [change.name for change in seen if change.kind == "step_finished"] == list(qa_suite.long_running.nodes)
    assert [change.phase for change in seen if change.kind == "artifact_attached"] == ["prepared"]
    assert any(change.kind == "log_appended" and "run 1 of" in change.text for change in seen)


async def test_two_clients_of_one_session_do_not_run_its_nodes_twice(qa, client, diary):
    session_uuid = await qa().open_session("long_running_test", inputs=diary.inputs)
    first = asyncio.create_task(qa(session_uuid=session_uuid).run_qa_test())
    await wait_until(lambda: "wait_for_report" in diary.nodes, timeout=30)
    with pytest.raises(SessionBusyError):
        await qa(session_uuid=session_uuid).run_qa_test(if_running="refuse")
    second = asyncio.create_task(qa(session_uuid=session_uuid).run_qa_test())
    await wait_until(lambda: waiting(client.session(session_uuid)), timeout=30, description="the second waits")
    diary.report.touch()
    assert (await first)["executed_nodes"] == (await second)["executed_nodes"] == list(qa_suite.long_running.nodes)
    assert diary.nodes == list(qa_suite.long_running.nodes)


async def test_session_management(qa, manager, project):
    waiting = [await qa().open_session("my_test") for _ in range(3)]
    done = (await qa().run_qa_test("my_test"))["session_id"]

    active_sessions = await manager.list_active_sessions(project=project)
    assert [each.session_id for each in active_sessions] == waiting[::-1]
    assert (await manager.get_session(done)).status == "completed"
    assert await manager.save_session(done)
    assert not await manager.save_session("qa-session-0-none")
    assert (await manager.get_session(done)).test_results == {"greeting": "hello"}


async def test_old_sessions_are_cleaned_up_and_can_still_be_resumed(qa, manager, project):
    oldest, *newest = [await manager.create_session("my_test", project=project) for _ in range(4)]
    assert await manager.cleanup_old_sessions(max_active_sessions=3, project=project) == 1
    assert [each.session_id for each in await manager.list_active_sessions(project=project)] == newest[::-1]
    assert (await manager.get_session(oldest)).status == "abandoned"
    assert await manager.get_session_count(project=project) == {"active_sessions": 3, "total_sessions": 4}
    assert (await qa(session_uuid=oldest).run_qa_test())["status"] == "completed"


# The command line


@pytest.fixture
def run(target):
    """Runs `sojourn`; what it printed."""

    async def run(*arguments):
        done = await command(*arguments, "--target", target)
        assert done.code == 0, done.stderr
        return done.stdout

    return run


async def test_the_command_line_lists_shows_sums_up_and_exports(qa, run, tmp_path, project):
    session_id = (await qa().run_qa_test("login_test"))["session_id"]
    listed, shown, stats, _ = await asyncio.gather(
        run("list", "--kind", "qa-session", "--project", project),
        run("show", session_id),
        run("stats", "--kind", "qa-session", "--project", project, "--output", "json"),
        run("export", session_id, "--output", str(tmp_path / "session.json")),
    )
    assert session_id in listed
    assert "login_test" in shown
    assert json.loads(stats)
    assert json.loads((tmp_path / "session.json").read_text())["session"]["id"] == session_id


async def test_the_command_line_creates_and_cleans_up(qa, run, manager, project):
    made = ("create", "--kind", "qa-session", "--metadata", "test_name=my_test", "--project", project, "--quiet")
    first = (await run(*made, "--user", "user1")).strip()
    assert (await qa(session_uuid=first).run_qa_test())["test_name"] == "my_test"
    second = await qa().open_session("my_test")
    await run("cleanup", "--kind", "qa-session", "--project", project, "--keep-newest", "1", "--yes")
    assert [each.session_id for each in await manager.list_all_sessions(project=project)] == [second]


async def test_the_example_of_concurrent_sessions(target, tmp_path):
    program = Path(__file__).parents[2] / "examples" / "qa_tests.py"
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), target, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    printed = (await process.communicate())[0].decode().splitlines()
    assert process.returncode == 0
    assert printed[0] == "first run: ['open_shop', 'check_title'] failed: AssertionError: the shop is closed"
    assert printed[1].endswith("100 % {'order': 'SJ-4711'}")
    assert printed[2] == f"at once: {['completed'] * 6}"
    assert sorted(line.split()[0] for line in printed[3:]) == ["ada"] * 3 + ["grace"] * 2 + ["joan"] * 2


# Configuration


async def test_the_environment_configures(target, tmp_path, monkeypatch, project):
    monkeypatch.setenv("QA_RESULTS_DIR", str(tmp_path / "here"))
    monkeypatch.setenv("QA_MEMORY_DIR", str(tmp_path / "kept"))
    monkeypatch.setenv("QA_MAX_ACTIVE_SESSIONS", "3")
    monkeypatch.setenv("SOJOURN_TARGET", target)
    settings = QASettings.from_environment()
    assert (settings.memory_dir, settings.max_active_sessions) == (tmp_path / "kept", 3)
    assert QASessionManager().max_active_sessions == 3
    result = await QAClient(project=project).run_qa_test("my_test")
    assert Path(result["results_dir"]).parent == tmp_path / "here"
    assert len(await QASessionManager().list_all_sessions(project=project)) == 1


def test_the_manager_has_settings_of_its_own(target):
    session_manager = QASessionManager(memory_dir="custom_memory", results_base_dir="custom_results", target=target)
    assert session_manager.memory_dir == Path.cwd() / "custom_memory"
    assert session_manager.results_base_dir == Path("custom_results")


# Benefits


async def test_one_test_that_fails_affects_no_other(qa):
    inputs = [{"broken": number % 2 == 0} for number in range(6)]
    results = await asyncio.gather(*[qa().run_qa_test("login_test", inputs=each) for each in inputs])
    assert [result["success"] for result in results] == [False, True] * 3


async def test_what_ended_leaves_memory_and_all_survives_restarts(deployment, tmp_path, diary):
    async with deployment.server(keeper=True, recent_after_seconds=0.2, archiver_seconds=0.2) as server:
        where = {"target": server.target, "results_dir": tmp_path}
        ended = (await QAClient(**where).run_qa_test("login_test", inputs={"broken": True}))["session_id"]
        under_way = asyncio.create_task(QAClient(**where).run_qa_test("long_running_test", inputs=diary.inputs))

        async def left_the_active_store():
            async with sojourn.Client(server.target) as client:
                return (await client.get_session(ended)).info.storage.tier == "recent"

        await wait_until(left_the_active_store, timeout=60)
        await wait_until(lambda: "wait_for_report" in diary.nodes, timeout=60)
        await server.kill()
        await server.start()
        diary.report.touch()
        again = QAClient(session_uuid=ended, **where).run_qa_test(inputs={})
        assert [each["success_rate"] for each in await asyncio.gather(under_way, again)] == [100.0, 100.0]
        assert diary.nodes == list(qa_suite.long_running.nodes)


async def test_every_run_has_a_directory_with_its_logs_and_screenshots(qa, tmp_path):
    result = await qa().run_qa_test("login_test")
    [directory] = tmp_path.glob("login_test_*")
    assert str(directory) == result["results_dir"]
    assert "open_page: passed" in (directory / "logs" / "session.log").read_text()
    assert (directory / "screenshots" / "before" / "open_page-before.png").read_bytes() == PNG + b"page"
    assert (directory / "screenshots" / "after" / "sign_in-after.png").read_bytes() == PNG + b"signed in"
    assert json.loads((directory / "summary.json").read_text())["session_id"] == result["session_id"]
    await qa(session_uuid=result["session_id"]).run_qa_test(rerun=["sign_in"])
    assert len(list(tmp_path.glob("login_test_*"))) == 2, "each run has its own, and none is removed"


async def test_users_and_projects_are_kept_apart(qa, manager, project):
    await asyncio.gather(*[qa(user).run_qa_test("my_test") for user in ("ada", "grace", "ada")])
    assert len(await manager.list_all_sessions(project=project)) == 3
    assert len(await manager.list_all_sessions(project=project, user_id="ada")) == 2
    assert await manager.list_all_sessions(project=project, user_id="joan") == []


# Migration


async def test_a_context_by_itself_still_works(tmp_path, monkeypatch):
    monkeypatch.setenv("QA_RESULTS_DIR", str(tmp_path))
    context = QAContext("test_name")
    assert re.fullmatch(r"qa-session-\d{10}-[0-9a-f]+", context.session_id)
    assert context.session_uuid == context.session_id
    context.test_results["login"] = "ok"
    context.outputs["token"] = "abc"
    context.log("works")
    assert (context.test_results, context.outputs) == ({"login": "ok"}, {"token": "abc"})
    shot = await context.screenshot("before", PNG)
    assert shot.size_bytes == len(PNG)
    assert next(tmp_path.rglob("*.png")) == Path(shot.path)
    assert list(context.screenshots) == ["before"]


# Monitoring and analytics


async def test_session_statistics(qa, manager, project):
    await qa().open_session("my_test")
    await qa().run_qa_test("login_test", inputs={"broken": True})
    stats = await manager.get_session_count(project=project)
    assert f"Active: {stats['active_sessions']}, total: {stats['total_sessions']}" == "Active: 1, total: 2"
    summaries = await manager.list_all_sessions(limit=50, project=project)
    told = [f"{summary.test_name}: {summary.success_rate:.1f}%" for summary in summaries]
    assert told == ["login_test: 66.7%", "my_test: 0.0%"]
    assert len(await manager.list_all_sessions(limit=1, project=project)) == 1


async def test_the_log_of_a_session(qa, target):
    session_id = (await qa().run_qa_test("my_test"))["session_id"]
    logs = await get_session_logs(session_id, lines=100, target=target)
    told = [line.split(maxsplit=3)[2:] for line in logs.splitlines()]
    assert told[:3] == [
        ["INFO", "run 1 of my_test begins: my_test"],
        ["DEBUG", "my_test: begins"],
        ["INFO", "my_test: said hello"],
    ]
    assert (await get_session_logs(session_id, lines=1, target=target)).endswith("run 1 ends: 1 nodes passed, 0 failed")
    with pytest.raises(sojourn.SessionNotFoundError):
        await get_session_logs("qa-session-0-none", target=target)


# Troubleshooting


async def test_whether_a_session_exists(qa, manager):
    session_uuid = (await qa().run_qa_test("my_test"))["session_id"]
    assert (await manager.memory.load_session(session_uuid))["uuid"] == session_uuid
    assert await manager.memory.load_session("qa-session-0-none") is None
    assert await manager.get_session("qa-session-0-none") is None
    with pytest.raises(sojourn.SessionNotFoundError):
        await qa(session_uuid="qa-session-0-none").run_qa_test()


def test_sessions_are_used_from_several_threads_and_leave_nothing_open(qa, manager, tmp_path):
    results = []

    async def main():
        results.append(await qa().run_qa_test("my_test"))
        await manager.get_session(results[-1]["session_id"])
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(asyncio.run, main()) for _ in range(4)]:
            done.result()
    assert [file.path for file in psutil.Process().open_files() if file.path.startswith(str(tmp_path))] == []
    assert [result["success"] for result in results] == [True] * 4
    assert len({result["session_id"] for result in results}) == 4


async def test_debug_logging(manager, caplog):
    logging.getLogger("QASessionManager").setLevel(logging.DEBUG)
    try:
        await manager.list_all_sessions(limit=1)
    finally:
        logging.getLogger("QASessionManager").setLevel(logging.NOTSET)
    assert [record.name for record in caplog.records if "listed" in record.message] == ["QASessionManager"]
