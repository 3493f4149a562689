"""`pytest --sojourn`: runs become sessions, tests become steps."""

import asyncio
import json
import signal
import xml.etree.ElementTree as ElementTree
from collections import Counter
from uuid import uuid4

import pytest

import sojourn
from sojourn.enums import SessionStatus, StepStatus
from tests.support import command
from tests.support.recorded_runs import outcomes, project, steps_of, until_ended, until_recorded
from tests.support.waiting import wait_until

ALL_OUTCOMES = """
    import os, sys, pytest

    def test_pass(record_property):
        record_property("colour", "green")
        print("hello")

    def test_fail():
        print("on the way")
        assert 1 == 2

    @pytest.mark.skip(reason="not today")
    def test_skip(): ...

    @pytest.mark.xfail(reason="known")
    def test_xfail(): assert False

    @pytest.mark.xfail
    def test_xpass(): ...

    @pytest.mark.xfail(strict=True)
    def test_xpass_strict(): ...

    @pytest.fixture
    def broken(): raise RuntimeError("no set-up")

    def test_setup(broken): ...

    @pytest.fixture
    def breaks():
        yield
        raise RuntimeError("no tear-down")

    def test_teardown(breaks): ...

    def test_both(breaks): assert False

    def test_subtests(subtests):
        for number in range(3):
            with subtests.test(number=number):
                assert number != 1
"""

EXPECTED = {
    "test_pass": ("passed", "passed"),
    "test_fail": ("failed", "failed"),
    "test_skip": ("skipped", "skipped"),
    "test_xfail": ("skipped", "xfailed"),
    "test_xpass": ("passed", "xpassed"),
    "test_xpass_strict": ("failed", "failed"),
    "test_setup": ("error", "error"),
    "test_teardown": ("error", "error"),
    "test_both": ("failed", "failed"),
    "test_subtests": ("failed", "failed"),
}

HOSTILE = """
    import os, signal, sys, pytest

    @pytest.mark.parametrize("value", [1, 1, "x" * 10_000, "\\x00\\x1b\\ud800"])
    def test_names(value): ...

    def test_output():
        os.write(1, b"\\xff\\xfe\\x00 bytes")
        print("\\x00 \\ud800 text")
        print("y" * 3_000_000)

    def test_closes_every_descriptor_it_finds():
        mine = [int(fd) for fd in os.listdir("/proc/self/fd")] if os.path.exists("/proc/self/fd") else []
        for fd in mine:
            try:
                if "events.jsonl" in os.readlink(f"/proc/self/fd/{fd}"):
                    os.close(fd)
            except OSError:
                pass
        open("unrelated", "w").close()

    def test_waits_for_all_its_children():
        while True:
            try:
                os.wait()
            except ChildProcessError:
                break

    def test_stops_time(monkeypatch):
        monkeypatch.setattr("time.time", lambda: 0.0)
        monkeypatch.setattr("time.monotonic", lambda: 0.0)
        monkeypatch.setattr("os.write", None)
        monkeypatch.setattr("builtins.open", None)

    def test_forks_and_goes_on_as_if_it_were_the_run():
        child = os.fork()
        if child:
            os.waitpid(child, 0)

    class Unspeakable(Exception):
        def __str__(self): raise ValueError
        __repr__ = __str__

    def test_raises_what_cannot_be_shown():
        raise Unspeakable
"""


@pytest.fixture
async def client(server):
    async with sojourn.Client(server.target) as client:
        yield client


@pytest.fixture
def tests(tmp_path, server):
    """A project whose runs are recorded by the file's server."""
    return project(tmp_path / f"p{uuid4().hex[:8]}", server.target)


@pytest.fixture
def sid():
    return f"run-{uuid4().hex[:8]}"


async def details(session):
    """The steps by the names of their functions."""
    return {step.name.rpartition("::")[2]: step for step in await steps_of(session)}


async def test_every_test_is_a_step_with_its_outcome(tests, client, sid):
    tests.add("test_it.py", ALL_OUTCOMES)
    tests.add("test_broken.py", "import no_such_module\n")
    arguments = ("--sojourn-session", sid, "--sojourn-tag", "nightly", "--junitxml", "junit.xml")
    run = await tests.pytest(*arguments, "--continue-on-collection-errors")
    assert run.code == 1
    assert f"10 tests recorded in session {sid} at {tests.target}" in run.said
    session = await client.get_session(sid)
    steps = await details(session)
    assert {name: (step.status.value, step.output["outcome"]) for name, step in steps.items()} == {
        **EXPECTED, "test_broken.py": ("error", "error")
    }  # fmt: skip
    assert steps["test_pass"].output["captured"] == {"stdout call": "hello\n"}
    assert steps["test_pass"].output["properties"] == {"colour": "green"}
    assert steps["test_fail"].output["captured"] == {"stdout call": "on the way\n"}
    assert "assert 1 == 2" in steps["test_fail"].error
    assert steps["test_skip"].output["reason"] == "not today"
    assert steps["test_xfail"].output["reason"] == "known"
    assert steps["test_setup"].output["failed_in"] == ["setup"]
    assert "no set-up" in steps["test_setup"].error
    assert steps["test_both"].output["failed_in"] == ["call", "teardown"]
    assert "no tear-down" in steps["test_both"].error
    assert "no_such_module" in steps["test_broken.py"].error
    assert session.info.kind == "pytest"
    assert session.info.status is SessionStatus.FAILED
    assert list(session.info.tags) == ["nightly"]
    assert session.info.project == tests.root.name
    assert session.info.metadata["pytest"] == pytest.__version__
    assert session.info.results["tests"] == {"passed": 2, "failed": 4, "error": 3, "skipped": 2}
    assert session.info.results["exit_status"] == 1
    # What another recorder of the same run says; to it subtests and tear-downs that fail are tests, too.
    suite = ElementTree.parse(tests.root / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    recorded = Counter(case.get("name") for case in suite.iter("testcase"))
    assert set(EXPECTED) <= set(recorded)


async def test_tests_that_do_their_worst(tests, client, sid):
    tests.add("test_it.py", HOSTILE)
    run = await tests.pytest("--sojourn-session", sid, "-o", "sojourn_output_limit=4096")
    session = await client.get_session(sid)
    recorded = await outcomes(session)
    assert len(recorded) == 10, run.output
    assert len({name for name, _, _ in recorded}) == 10
    assert all(len(name.encode()) <= 256 for name, _, _ in recorded)
    assert [name for name, status, _ in recorded if status != "passed"] == [
        "test_it.py::test_raises_what_cannot_be_shown"
    ]
    steps = await details(session)
    assert len(json.dumps(steps["test_output"].output)) < 8192
    assert "bytes" in steps["test_output"].output["captured"]["stdout call"]


async def test_a_watcher_sees_tests_as_they_end(tests, client, sid):
    tests.add(
        "test_it.py",
        """
        import os, time
        def test_first(): ...
        def test_second():
            while not os.path.exists("go"): time.sleep(0.01)
        """,
    )
    await client.create_session(sid)
    seen = []
    async with (
        client.session(sid).watch(kinds="step_finished", until_ended=True) as watch,
        tests.running("--sojourn-session", sid) as process,
        asyncio.timeout(60),
    ):
        async for event in watch:
            seen += [change.name for change in event.changes if isinstance(change, sojourn.StepFinished)]
            if len(seen) == 1:
                assert process.returncode is None
                tests.touch("go")
        assert await process.wait() == 0
    assert seen == ["test_it.py::test_first", "test_it.py::test_second"]


INTERRUPTED = """
    import os, time
    def test_done(): ...
    def test_bad(): assert os.path.exists("go")
    def test_stuck():
        while not os.path.exists("go"): time.sleep(0.01)
    def test_last(): ...
"""


async def test_a_killed_run_goes_on_without_what_passed(tests, client, sid):
    tests.add("test_it.py", INTERRUPTED)
    session = client.session(sid)
    async with tests.running("--sojourn-session", sid) as process:
        await until_recorded(session, 2)
        process.kill()
        await process.communicate()
    await until_ended(session, "abandoned")
    tests.touch("go")
    run = await tests.pytest("--sojourn-session", sid)
    assert run.code == 0
    assert f"session {sid} goes on: 1 of its tests passed before and are left out" in run.said
    assert "3 passed, 1 deselected" in run.output
    assert await outcomes(session) == [
        ("test_it.py::test_done", "passed", 1),
        ("test_it.py::test_bad", "failed", 1),
        ("test_it.py::test_bad", "passed", 2),
        ("test_it.py::test_stuck", "passed", 1),
        ("test_it.py::test_last", "passed", 1),
    ]
    info = await session.refresh()
    assert info.status is SessionStatus.COMPLETED
    assert info.results["tests"] == {"passed": 4, "failed": 0, "error": 0, "skipped": 0}
    again = await tests.pytest("--sojourn-session", sid)
    assert again.code == 0
    assert again.said[-1] == f"nothing is left to run in session {sid}: 4 passed before"
    assert (await session.refresh()).revision == info.revision


async def test_an_interrupted_run_is_a_cancelled_session(tests, client, sid):
    tests.add("test_it.py", INTERRUPTED)
    session = client.session(sid)
    async with tests.running("--sojourn-session", sid) as process:
        await until_recorded(session, 2)
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert len(await outcomes(session)) == 2
    assert (await session.refresh()).status is SessionStatus.CANCELLED


async def test_with_xdist_each_test_is_recorded_once_and_workers_leave_out_the_same(tests, client, sid):
    tests.add(
        "test_it.py",
        """
        import os, pytest
        @pytest.mark.parametrize("number", range(20))
        def test_it(number): assert number % 5 or os.path.exists("go")
        def test_kills_its_worker():
            if not os.path.exists("go"): os._exit(1)
        """,
    )
    arguments = ("-p", "xdist.plugin", "-n", "2", "--sojourn-session", sid)
    run = await tests.pytest(*arguments)
    assert run.code == 1
    session = await client.get_session(sid)
    recorded = await outcomes(session)
    assert Counter(status for _, status, _ in recorded) == {"passed": 16, "failed": 4, "error": 1}, run.output
    assert len({name for name, _, _ in recorded}) == 21
    assert {step.output["worker"] for step in (await details(session)).values() if "worker" in step.output} >= {"gw0"}
    tests.touch("go")
    again = await tests.pytest(*arguments)
    assert again.code == 0
    assert "5 passed" in again.output
    assert "Different tests were collected" not in again.output
    assert len(await outcomes(session)) == 26


async def test_two_runs_are_compared(tests, client, sid):
    tests.add(
        "test_it.py",
        """
        import os
        def test_same(): ...
        def test_worse(): assert not os.path.exists("go")
        def test_fixed(): assert os.path.exists("go")
        """,
    )
    before, after = f"{sid}-before", f"{sid}-after"
    await tests.pytest("--sojourn-session", before)
    tests.touch("go")
    run = await tests.pytest("--sojourn-session", after)
    assert run.said[-1] == f"compare with the run before: sojourn compare {before} {after}"
    compared = await command.sojourn("compare", before, after, "--check", target=tests.target)
    assert compared.code == 1
    assert "1 worse, 1 fixed, 0 otherwise changed, 1 the same" in compared.stdout
    told = await tests.pytest("--sojourn-baseline", "last")
    assert f"against {after}: 0 worse, 0 fixed, 0 otherwise changed, 3 the same" in told.said


async def test_a_file_that_could_not_be_collected_and_was_mended(tests, client, sid):
    tests.add("test_it.py", "import no_such_module\n")
    assert (await tests.pytest("--sojourn-session", sid)).code == 2
    session = await client.get_session(sid)
    assert session.info.status is SessionStatus.FAILED
    tests.add("test_it.py", "def test_it(): ...\n")
    assert (await tests.pytest("--sojourn-session", sid)).code == 0
    info = await session.refresh()
    assert info.status is SessionStatus.COMPLETED
    assert {name: step.status for name, step in info.steps.items()} == {
        "test_it.py": StepStatus.PASSED,
        "test_it.py::test_it": StepStatus.PASSED,
    }


@pytest.mark.parametrize(("arguments", "code"), [(("--collect-only",), 0), (("no_such_file.py",), 4)])
async def test_runs_without_tests_leave_nothing(tests, client, arguments, code):
    tests.add("test_it.py", "def test_it(): ...\n")
    run = await tests.pytest(*arguments)
    assert run.code == code
    assert [session async for session in client.list_sessions(project=tests.root.name)] == []
    await wait_until(lambda: not (tests.root / ".sojourn").exists())


async def test_what_cannot_be_a_session_is_refused_before_anything_runs(tests):
    tests.add("test_it.py", "def test_it(): ...\n")
    run = await tests.pytest("--sojourn-session", "no/id")
    assert run.code == 4
    assert "--sojourn-session: 'no/id' cannot be a session's id" in run.output
