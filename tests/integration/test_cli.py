"""The `sojourn` program against a real server."""

import asyncio
import gzip
import json
import os
import pty
import re
import signal
import socket
import subprocess
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import pytest

import sojourn as sdk
from sojourn.cli.openai_format import messages_of, writes_in
from tests.support.command import PROGRAM, running, sojourn
from tests.support.recordings import recorded_lines, recordings
from tests.support.waiting import wait_until

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Weather in Oslo?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
            {"id": "c2", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
        ],
    },
    {"role": "tool", "tool_call_id": "c2", "content": "12:00"},
    {"role": "tool", "tool_call_id": "c1", "content": '{"celsius":-3}'},
    {"role": "assistant", "content": "-3 degrees at noon."},
]


DEMO = ("demo", "--agents", "2", "--seconds", "1", "--speed", "20")


@pytest.fixture
def target(sojourn_server):
    return sojourn_server


@pytest.fixture
def prefix():
    """Makes what a test creates its own on a server that tests share."""
    return f"t{uuid4().hex[:10]}"


@pytest.fixture
async def client(target):
    async with sdk.Client(target) as client:
        yield client


@pytest.fixture
def chats(tmp_path):
    """A file of three conversations."""
    path = tmp_path / "chats.jsonl"
    lines = [{"messages": CHAT, "task_id": number, "reward": number / 2} for number in range(3)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


async def stored(client, session_id):
    """The conversation of a session, in OpenAI's format."""
    return messages_of(writes_in([event async for event in client.session(session_id).events()]))


async def replay(target, prefix, path, *more):
    return await sojourn("replay", str(path), "--id-prefix", prefix, *more, target=target)


class TestReplay:
    async def test_recordings_arrive_message_by_message(self, target, client, prefix):
        done = await replay(target, prefix, recordings(), "--concurrency", "32", "--user", "ann", "--tag", "airline")
        assert done.code == 0, done.stderr
        assert re.fullmatch(r"100 sessions, 2,658 messages, 572 invocations in \d+\.\d s\n", done.stdout)
        invocations = 0
        for number, line in enumerate(recorded_lines(), start=1):
            session = await client.get_session(f"{prefix}-trajectories-{number}")
            info = session.info
            assert await stored(client, session.id) == line["traj"]
            assert {key: info.metadata[key] for key in ("task_id", "trial", "reward")} == {
                key: line[key] for key in ("task_id", "trial", "reward")
            }
            assert info.results == {"reward": line["reward"]}
            assert (info.status, info.kind, info.user_id, info.tags) == ("completed", "replay", "ann", ("airline",))
            assert info.counters.open_invocations == 0
            assert info.revision == 1 + len(line["traj"]) + 2
            calls = [call async for call in session.invocations()]
            invocations += len(calls)
            assert {call.status for call in calls} <= {"succeeded"}
            asked = [call["function"]["name"] for message in line["traj"] for call in message.get("tool_calls") or ()]
            assert [call.tool for call in calls] == asked
        assert invocations == 572

    async def test_a_second_run_changes_nothing(self, target, client, prefix, chats):
        assert (await replay(target, prefix, chats)).code == 0
        before = [(session.id, session.revision) async for session in client.list_sessions(kind="replay")]
        again = await replay(target, prefix, chats)
        assert again.code == 0
        assert "(18 messages were there already)" in again.stdout
        assert [(session.id, session.revision) async for session in client.list_sessions(kind="replay")] == before

    async def test_a_killed_run_is_continued(self, target, client, prefix, chats):
        async def half_way():
            session = await _exists(client, f"{prefix}-chats-1")
            return session and session.info.counters.messages >= 3

        slow = ("replay", str(chats), "--id-prefix", prefix, "--concurrency", "1", "--speed", "3")
        async with running(*slow, target=target) as program:
            await wait_until(half_way, timeout=30, description="three messages")
            await program.end(signal.SIGKILL)
        done = await replay(target, prefix, chats)
        assert done.code == 0, done.stderr
        assert "were there already" in done.stdout
        for number in (1, 2, 3):
            assert await stored(client, f"{prefix}-chats-{number}") == CHAT

    @pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
    async def test_standard_input(self, target, client, prefix, chats, packed):
        data = chats.read_bytes()
        arguments = ("replay", "-", "--id-prefix", prefix)
        done = await sojourn(*arguments, target=target, stdin=gzip.compress(data) if packed else data)
        assert done.stdout.startswith("3 sessions, 18 messages, 6 invocations"), done.stderr
        assert await stored(client, f"{prefix}-stdin-2") == CHAT

    async def test_a_bad_line_does_not_stop_the_others(self, target, client, prefix, chats):
        chats.write_text(chats.read_text() + '{"messages": [{"role": "robot"}]}\n' + json.dumps(CHAT) + "\n")
        done = await replay(target, prefix, chats)
        assert done.code == 1
        assert "chats, line 4: message 1: role" in done.stderr
        assert done.stdout.startswith("4 sessions")
        assert await stored(client, f"{prefix}-chats-5") == CHAT

    async def test_another_conversation_under_the_id_is_refused(self, target, client, prefix, chats):
        await replay(target, prefix, chats)
        chats.write_text(json.dumps(CHAT[:2]) + "\n")
        done = await replay(target, prefix, chats)
        assert done.code == 1
        assert "--id-prefix" in done.stderr
        assert await stored(client, f"{prefix}-chats-1") == CHAT

    async def test_a_server_killed_in_the_middle_loses_and_repeats_nothing(self, tmp_path, prefix):
        target = f"127.0.0.1:{_free_port()}"
        serve = ("serve", "--data-dir", str(tmp_path / "data"), "--listen", target)
        replaying = ("replay", str(recordings()), "--id-prefix", prefix, "--project", prefix, "--concurrency", "32")
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(running(*serve))
            client = await stack.enter_async_context(_connected(target))
            watch = await stack.enter_async_context(running("watch", "--project", prefix, "-o", "json", target=target))
            await _until_watched(client, watch, prefix)
            program = await stack.enter_async_context(running(*replaying, target=target))
            await watch.until_lines(len(watch.lines) + 500)
            await server.end(signal.SIGKILL)
            await stack.enter_async_context(running(*serve))
            assert await program.end(timeout=90) == 0, program.errors
            assert program.lines[-1].startswith("100 sessions, 2,658 messages, 572 invocations")

            expected = {}
            for number, line in enumerate(recorded_lines(), start=1):
                session_id = f"{prefix}-trajectories-{number}"
                assert await stored(client, session_id) == line["traj"]
                # Created, one event a message, the reward, completed: each once and in order.
                expected[session_id] = list(range(1, len(line["traj"]) + 4))
            await wait_until(
                lambda: len(_revisions(watch, expected)) == 100 and _revisions(watch, expected) == expected,
                timeout=30,
                description="the watch has shown every event once and in order",
            )


def _revisions(watch, session_ids):
    """The revisions that a watch showed of these sessions, in the order it showed them."""
    shown = {}
    for event in map(json.loads, watch.lines):
        if event["session_id"] in session_ids:
            shown.setdefault(event["session_id"], []).append(event["revision"])
    return shown


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def _connected(target):
    """A client, as soon as the server takes one."""
    async with sdk.Client(target, timeouts=sdk.Timeouts(connect=30)) as client:
        yield client


class TestShow:
    @pytest.fixture
    async def session_id(self, target, prefix, chats):
        await replay(target, prefix, chats, "--project", prefix)
        return f"{prefix}-chats-1"

    async def test_a_readable_page(self, target, session_id):
        done = await sojourn("show", session_id, target=target)
        assert done.code == 0, done.stderr
        places = [
            done.stdout.index(text)
            for text in (session_id, "Be brief.", "Weather in Oslo?", '{"city": "Oslo"}', "-3 deg")
        ]
        assert places == sorted(places)
        assert "completed" in done.stdout
        assert "\x1b" not in done.stdout

    async def test_openai_output_is_what_was_replayed(self, target, session_id):
        done = await sojourn("show", session_id, "--output", "openai", target=target)
        assert json.loads(done.stdout) == {"messages": CHAT, "task_id": 0, "reward": 0.0}

    async def test_json_output_is_one_document(self, target, session_id):
        document = json.loads((await sojourn("show", session_id, "--output", "json", target=target)).stdout)
        assert document["session"]["id"] == session_id
        assert [message["role"] for message in document["messages"]] == [message["role"] for message in CHAT]
        assert [(call["tool"], call["arguments"], call["result"]) for call in document["invocations"]] == [
            ("weather", {"city": "Oslo"}, {"celsius": -3}),
            ("clock", {}, "12:00"),
        ]

    async def test_events_are_the_log(self, target, session_id):
        document = json.loads((await sojourn("show", session_id, "--events", "-o", "json", target=target)).stdout)
        assert [event["revision"] for event in document["events"]] == list(range(1, 10))
        text = (await sojourn("show", session_id, "--events", target=target)).stdout
        assert "#9" in text

    async def test_the_last_messages(self, target, session_id):
        done = await sojourn("show", session_id, "--messages", "2", target=target)
        assert "-3 degrees" in done.stdout
        assert "Weather in Oslo?" not in done.stdout

    async def test_state_can_be_left_out(self, target, client, prefix):
        session = await client.create_session(session_id=f"{prefix}-s", state={"secret": 1})
        assert "secret" in (await sojourn("show", session.id, target=target)).stdout
        assert "secret" not in (await sojourn("show", session.id, "--no-state", target=target)).stdout
        document = json.loads((await sojourn("show", session.id, "--no-state", "-o", "json", target=target)).stdout)
        assert "state" not in document["session"]

    async def test_an_unknown_session_exits_with_3(self, target, prefix):
        done = await sojourn("show", prefix, target=target)
        assert done.code == 3
        assert prefix in done.stderr
        assert "Traceback" not in done.stderr


class TestList:
    @pytest.fixture
    async def project(self, client, prefix):
        for number in range(4):
            session = await client.create_session(
                session_id=f"{prefix}-{number}",
                project=prefix,
                user_id=f"user-{number % 2}",
                kind="qa" if number < 2 else "chat",
                tags=["all", f"n{number}"],
            )
            if number == 3:
                await session.complete(status="failed")
        return prefix

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ([], [3, 2, 1, 0]),
            (["--user", "user-1"], [3, 1]),
            (["--status", "active"], [2, 1, 0]),
            (["--status", "active", "--status", "failed"], [3, 2, 1, 0]),
            (["--tag", "all", "--tag", "n2"], [2]),
            (["--kind", "qa"], [1, 0]),
            (["--limit", "2"], [3, 2]),
        ],
    )
    async def test_filters(self, target, project, filters, expected):
        done = await sojourn("list", "--project", project, *filters, "-o", "json", target=target)
        assert [json.loads(line)["id"] for line in done.lines] == [f"{project}-{number}" for number in expected]

    async def test_a_table(self, target, project):
        done = await sojourn("list", "--project", project, target=target)
        assert done.code == 0
        assert all(f"{project}-{number}" in done.stdout for number in range(4))
        assert "failed" in done.stdout

    async def test_nothing_found(self, target, prefix):
        done = await sojourn("list", "--project", prefix, target=target)
        assert (done.code, done.stdout) == (0, "")
        assert "no sessions" in done.stderr


class TestWatch:
    async def test_one_session_until_it_ends(self, target, client, prefix):
        session = await client.create_session(session_id=prefix)
        async with running("watch", prefix, "--until-ended", target=target) as program:
            await program.until_said("watching")
            await session.add_message("user", "hello")
            await program.until_lines(1)  # at once, not when the program ends
            await session.complete()
            assert await program.end() == 0
        assert "user" in program.lines[0]
        assert "hello" in program.lines[0]
        assert "completed" in program.lines[1]
        assert len(program.lines) == 2

    async def test_json_lines_from_a_revision_on(self, target, client, prefix):
        session = await client.create_session(session_id=prefix)
        for number in range(3):
            await session.add_message("user", str(number))
        await session.complete()
        done = await sojourn("watch", prefix, "--after", "2", "--until-ended", "-o", "json", target=target)
        events = [json.loads(line) for line in done.lines]
        assert [event["revision"] for event in events] == [3, 4, 5]
        rest = await sojourn(
            "watch", prefix, "--after", events[0]["cursor"], "--until-ended", "-o", "json", target=target
        )
        assert rest.lines == done.lines[1:]

    async def test_kinds_and_snapshot(self, target, client, prefix):
        session = await client.create_session(session_id=prefix, state={"k": 7})
        arguments = ("watch", prefix, "--snapshot", "--kind", "message_appended", "-o", "json")
        async with running(*arguments, target=target) as program:
            [first] = await program.until_lines(1)
            assert json.loads(first)["snapshot"]["state"] == {"k": 7}
            await session.set_state({"k": 8})
            await session.add_message("user", "hello")
            lines = await program.until_lines(2)
            assert json.loads(lines[1])["revision"] == 3

    async def test_all_sessions_of_a_project(self, target, client, prefix):
        async with running("watch", "--project", prefix, "-o", "json", target=target) as program:
            await _until_watched(client, program, prefix)
            begun = len(program.lines)
            for number in range(3):
                session = await client.create_session(session_id=f"{prefix}-{number}", project=prefix)
                await client.create_session(session_id=f"{prefix}-{number}-other")
                await session.add_message("user", "hello")
            lines = (await program.until_lines(begun + 6))[begun:]
        seen = [(event["session_id"], event["revision"]) for event in map(json.loads, lines)]
        assert sorted(seen) == [(f"{prefix}-{number}", revision) for number in range(3) for revision in (1, 2)]

    async def test_ctrl_c_ends_it_quietly(self, target, client, prefix):
        await client.create_session(session_id=prefix)
        async with running("watch", prefix, target=target) as program:
            await program.until_said("watching")
            assert await program.end(signal.SIGINT, timeout=10) == 130
        assert [line for line in program.errors if "watching" not in line] == []

    async def test_an_unknown_session_exits_with_3(self, target, prefix):
        assert (await sojourn("watch", prefix, target=target)).code == 3

    async def test_a_deleted_session_ends_it(self, target, client, prefix):
        session = await client.create_session(session_id=prefix)
        async with running("watch", prefix, target=target) as program:
            await program.until_said("watching")
            await session.add_message("user", "last words")
            await client.delete_session(prefix)
            assert await program.end() == 0
        assert "last words" in program.lines[0]
        assert any("deleted" in line for line in program.errors)


async def _until_watched(client, program, prefix):
    """Makes sessions until the watch of the project shows one: then it is live."""
    number = 0

    async def shows():
        nonlocal number
        number += 1
        await client.create_session(session_id=f"{prefix}-probe-{number}", project=prefix)
        return program.lines

    await wait_until(shows, timeout=30, description="the watch shows something")
    last = f"{prefix}-probe-{number}"
    await wait_until(lambda: json.loads(program.lines[-1])["session_id"] == last, description=last)


class TestDemo:
    async def test_on_a_server_of_its_own(self):
        done = await sojourn(*DEMO)
        assert done.code == 0, done.stderr
        assert re.search(r"\d+ sessions, \d+ events", done.stdout)
        assert "created" in done.stdout
        assert "serve" in done.stdout

    async def test_on_a_given_server(self, target):
        done = await sojourn(*DEMO, "--target", target)
        assert done.code == 0, done.stderr
        shown = re.search(r"show --target \S+ (\S+)", done.stdout)
        assert shown
        assert (await sojourn("show", shown[1], target=target)).code == 0


@pytest.mark.parametrize("command", [["watch", "--after", "0"], ["demo", *DEMO[1:], "--target"], ["show", "--events"]])
async def test_a_closed_pipe_ends_a_command_quietly(target, client, prefix, command):
    session = await client.create_session(session_id=prefix)
    for number in range(50):
        await session.add_message("user", f"{number} " * 500)
    subject = target if command[0] == "demo" else prefix
    process = await asyncio.create_subprocess_shell(
        f"{PROGRAM} {' '.join(command)} {subject} | head -n 1",
        env=os.environ | {"SOJOURN_TARGET": target},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert out.count(b"\n") == 1
    assert b"Traceback" not in err
    assert b"error" not in err


@pytest.mark.parametrize("command", ["demo", "replay"])
async def test_ctrl_c_leaves_no_traceback(target, chats, prefix, command):
    arguments = ("demo",) if command == "demo" else ("replay", str(chats), "--id-prefix", prefix, "--speed", "0.1")
    async with sdk.Client(target) as client, running(*arguments, target=target) as program:
        if command == "demo":
            await program.until_lines(3)
        else:
            await wait_until(lambda: _exists(client, f"{prefix}-chats-1"), description="the first session")
        assert await program.end(signal.SIGINT, timeout=20) == 130
    assert program.errors == []


async def _exists(client, session_id):
    try:
        return await client.get_session(session_id)
    except sdk.SessionNotFoundError:
        return None


@pytest.mark.parametrize("command", [["list"], ["demo", *DEMO[1:], "--target"], ["replay"]])
async def test_terminals_get_colours(target, chats, prefix, command):
    if command == ["replay"]:
        command = ["replay", str(chats), "--id-prefix", prefix, "--speed", "20"]
    if command[-1] == "--target":
        command = [*command, target]
    assert (await replay(target, f"{prefix}x", chats)).code == 0
    text = await asyncio.to_thread(_on_a_terminal, [str(PROGRAM), *command], target)
    assert "\x1b[" in text
    assert "Traceback" not in text
    if command[0] == "replay":
        assert "messages/s" in text
        assert "3 sessions, 18 messages, 6 invocations" in text


def _on_a_terminal(command, target):
    """Runs a program on a pseudo terminal; what it wrote."""
    environment = os.environ | {"SOJOURN_TARGET": target, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "30"}
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        written = bytearray()
        try:
            while chunk := os.read(ours, 65536):
                written += chunk
        except OSError:
            pass  # Linux says so when the other side is closed
        finally:
            os.close(ours)
    assert process.returncode == 0, written.decode()
    return written.decode()
