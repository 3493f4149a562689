"""Recorded conversations replayed by the command line while the server is killed under it: the sessions equal the file,
nothing is lost and nothing is there twice."""

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack

import pytest

import sojourn
from sojourn.cli.openai_format import messages_of, writes_in
from tests.support.command import running
from tests.support.recordings import recorded_lines, recordings
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until

from .checker import check_log, check_watcher, seen

PREFIX = "kill"


async def collect(watch, into):
    """Every event of a watch of many sessions, by session."""
    async for event in watch:
        into[event.session_id].append(event)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((0.4,), id="short"),
        pytest.param((0.05, 0.2, 0.35, 0.5, 0.65), id="long", marks=pytest.mark.robustness),
    ],
)
async def test_a_replay_survives_the_death_of_the_server(data_dir, parts):
    lines = recorded_lines()
    total = sum(len(line["traj"]) for line in lines)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerUnderTest(data_dir=data_dir))
        client = await stack.enter_async_context(sojourn.Client(server.target))
        watched, followed = defaultdict(list), defaultdict(list)
        watch = await stack.enter_async_context(client.watch_sessions(kind="replay"))
        watching = [asyncio.create_task(collect(watch, watched))]
        first = await client.create_session("other", kind="other")  # in nobody's way, and not watched

        replay = await stack.enter_async_context(
            running("replay", str(recordings()), "--id-prefix", PREFIX, "--concurrency", "32", target=server.target)
        )
        for part in parts:
            await wait_until(
                lambda part=part: has_written(client, total * part), timeout=60, description=f"{part:.0%} are written"
            )
            for session_id in list(watched)[:5]:  # watches of single sessions, from their beginning
                if session_id not in followed:
                    followed[session_id] = []
                    one = client.session(session_id).watch(after=0, until_ended=True)
                    watching.append(asyncio.create_task(collect(one, followed)))
            assert replay.process.returncode is None, "the replay was over before the server was killed"
            await server.kill()
            await server.start()
        assert await replay.end() == 0, replay.errors
        assert replay.lines[-1].startswith(f"100 sessions, {total:,} messages, 572 invocations")

        expected = {f"{PREFIX}-trajectories-{number}": line for number, line in enumerate(lines, start=1)}
        logs = {}
        for session_id, line in expected.items():
            events = [event async for event in client.session(session_id).events()]
            logs[session_id] = events
            check_log(seen(events))
            assert messages_of(writes_in(events)) == line["traj"]
        await check_invocations(client, expected)
        assert {session.id async for session in client.list_sessions()} == {*expected, first.id}

        await wait_until(lambda: count(watched) >= count(logs), timeout=20, description="the watch catches up")
        await asyncio.gather(*watching[1:])
        watching[0].cancel()
        assert set(watched) == set(expected)
        for found in (watched, followed):
            for session_id, events in found.items():
                assert events == logs[session_id]
                check_watcher(seen(events), seen(logs[session_id]), name=session_id)
        assert followed


async def has_written(client, messages):
    """Whether the replay has written so many messages."""
    return sum([session.counters.messages async for session in client.list_sessions(kind="replay")]) > messages


def count(logs):
    return sum(map(len, logs.values()))


async def check_invocations(client, expected):
    """Every tool call of the file was invoked once and has its result."""
    invocations = 0
    for session_id, line in expected.items():
        session = await client.get_session(session_id)
        assert session.info.status == "completed"
        assert session.info.counters.messages == len(line["traj"])
        assert session.info.counters.open_invocations == 0
        assert session.info.results == {"reward": line["reward"]}
        calls = [call async for call in session.invocations()]
        asked = [call["function"]["name"] for message in line["traj"] for call in message.get("tool_calls") or ()]
        assert [call.tool for call in calls] == asked
        assert all(call.status == "succeeded" for call in calls)
        invocations += len(calls)
    assert invocations == 572
