"""`pytest --sojourn` without its server: the run does not care, and everything arrives once."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from uuid import uuid4

import pytest

import sojourn
from sojourn._transport.answering import answers
from tests.support.engine_server import free_ports
from tests.support.recorded_runs import outcomes, project, until_ended, until_recorded
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until

WAITING = """
    import os, pytest, time

    @pytest.mark.parametrize("number", range(60))
    def test_it(number):
        if number in (20, 40):
            while not os.path.exists(f"go{number}"): time.sleep(0.01)
"""


@pytest.fixture
def sid():
    return f"run-{uuid4().hex[:8]}"


async def test_a_run_whose_server_comes_late_dies_and_comes_back(tmp_path, sid):
    server = ServerUnderTest(data_dir=tmp_path / "data")
    tests = project(tmp_path / "project", f"127.0.0.1:{server.port}")
    tests.add("test_it.py", WAITING)
    try:
        async with tests.running("--sojourn-session", sid, "-o", "sojourn_wait=0.1") as process:
            await server.start()
            async with sojourn.Client(server.target) as client:
                session = client.session(sid)
                await until_recorded(session, 20)
                await server.kill()
                tests.touch("go20")
                await server.start()
                await until_recorded(session, 40)
                await server.kill()
                tests.touch("go40")
                output, _ = await process.communicate()
                assert process.returncode == 0, output.decode()
                await server.start()
                # What the run could not wait for is delivered by whoever comes next.
                tests.add("test_it.py", "def test_other(): ...\n")
                run = await tests.pytest("--sojourn-session", f"{sid}-next")
                assert run.code == 0
                recorded = await until_recorded(session, 60)
                assert Counter(name for name, _, _ in recorded) == {f"test_it.py::test_it[{n}]": 1 for n in range(60)}
                assert {status for _, status, _ in recorded} == {"passed"}
                info = await until_ended(session, "completed")
                assert info.results["tests"]["passed"] == 60
                await wait_until(lambda: tests.kept == [])
    finally:
        await server.stop()


async def test_what_was_kept_is_delivered_by_hand_too_and_tells_what_passed(tmp_path, server, sid):
    tests = project(tmp_path / "project", f"127.0.0.1:{free_ports(1)[0]}")
    tests.add("test_it.py", "import os\ndef test_one(): ...\ndef test_two(): assert os.path.exists('go')\n")
    run = await tests.pytest("--sojourn-session", sid)
    assert run.code == 1
    assert f"not delivered, for nobody answers at {tests.target}" in run.said
    assert len(tests.kept) == 1
    tests.touch("go")
    again = await tests.pytest("--sojourn-session", sid)
    assert "1 passed, 1 deselected" in again.output
    assert len(tests.kept) == 2
    command = [sys.executable, "-m", "sojourn.testing.recording", str(tests.root), "--target", server.target]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    assert (process.returncode, told.decode().split()) == (0, [sid, sid])
    async with sojourn.Client(server.target) as client:
        session = client.session(sid)
        assert await outcomes(session) == [
            ("test_it.py::test_one", "passed", 1),
            ("test_it.py::test_two", "failed", 1),
            ("test_it.py::test_two", "passed", 2),
        ]
        assert (await session.refresh()).status == "completed"
    assert tests.kept == []


async def test_what_the_courier_had_delivered_when_it_was_killed_is_not_delivered_again(tmp_path, server, sid):
    tests = project(tmp_path / "project", server.target)
    tests.add("test_it.py", WAITING)
    tests.touch("go40")
    async with tests.running("--sojourn-session", sid) as process, sojourn.Client(server.target) as client:
        session = client.session(sid)
        await until_recorded(session, 20)
        os.kill(json.loads((tests.kept[0].parent / "state.json").read_text())["pid"], signal.SIGKILL)
        tests.touch("go20")
        output, _ = await process.communicate()
        assert b"not delivered, for its courier was killed" in output
        await tests.pytest("--sojourn-session", f"{sid}-next", "-k", "test_it[1]")
        recorded = await until_recorded(session, 60)
        assert Counter(name for name, _, _ in recorded) == {f"test_it.py::test_it[{n}]": 1 for n in range(60)}
        await until_ended(session, "completed")


async def test_without_any_server_the_project_has_one_of_its_own(tmp_path, sid):
    if answers("localhost:7431", within=1.0):
        pytest.skip("a server runs at localhost:7431, which would be taken")
    tests = project(tmp_path / "project")
    tests.add("test_it.py", "def test_it(): ...\n")
    run = await tests.pytest("--sojourn-session", sid)
    assert any(f"1 test recorded in session {sid} at " in line for line in run.said), run.output
    async with sojourn.embedded.server(tests.root / ".sojourn") as target, sojourn.Client(target) as client:
        assert await outcomes(client.session(sid)) == [("test_it.py::test_it", "passed", 1)]


async def test_a_directory_that_cannot_be_written_to_is_no_reason_to_fail(tmp_path, server, sid):
    tests = project(tmp_path / "project", server.target)
    tests.add("test_it.py", "def test_it(): ...\n")
    (tests.root / ".sojourn").write_text("in the way")
    run = await tests.pytest("--sojourn-session", sid)
    assert run.code == 0
    async with sojourn.Client(server.target) as client:
        assert await outcomes(client.session(sid)) == [("test_it.py::test_it", "passed", 1)]
