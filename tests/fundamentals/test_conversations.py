"""What agents record: messages, tool invocations, steps, results.

Each is a change in the session's event log; counters, usage and last outcomes are kept up to date beside it.
"""

from datetime import timedelta

import pytest

import sojourn


async def test_messages(client, name):
    session = await client.create_session(name)
    await session.add_message("user", "Where is my parcel?")
    await session.add_message("assistant", "Let me look.", usage=sojourn.Usage(input_tokens=12, output_tokens=4))
    assert [(m.role, m.content) async for m in session.messages()] == [
        ("user", "Where is my parcel?"),
        ("assistant", "Let me look."),
    ]
    info = await session.refresh()
    assert (info.counters.messages, info.usage.total_tokens) == (2, 16)


async def test_an_invocation_around_the_call_of_a_tool(client, name):
    session = await client.create_session(name)
    async with session.invocation("track_parcel", arguments={"parcel": 42}) as call:
        call.result = {"where": "Oslo"}
    (invocation,) = [invocation async for invocation in session.invocations()]
    assert (invocation.tool, invocation.arguments, invocation.result) == (
        "track_parcel", {"parcel": 42}, {"where": "Oslo"},
    )  # fmt: skip
    assert invocation.status == "succeeded"
    assert invocation.duration is not None


async def test_an_invocation_that_fails_is_recorded_as_failed(client, name):
    session = await client.create_session(name)
    with pytest.raises(TimeoutError):
        async with session.invocation("track_parcel"):
            raise TimeoutError("no answer")
    (invocation,) = [invocation async for invocation in session.invocations()]
    assert (invocation.status, "no answer" in invocation.error) == ("failed", True)
    assert (await session.refresh()).counters.failed_invocations == 1


async def test_an_invocation_that_is_over(client, name):
    session = await client.create_session(name)
    await session.record_invocation("git_tool", arguments=["log"], result="abc", duration=timedelta(seconds=0.15))
    (invocation,) = [invocation async for invocation in session.invocations()]
    assert (invocation.result, invocation.duration) == ("abc", timedelta(seconds=0.15))
    assert (await session.refresh()).tools == {"git_tool": 1}


async def test_steps_and_results(client, name):
    session = await client.create_session(name)
    await session.record_step("login", status="failed", duration=1.5, error="no button")
    await session.record_step("login", status="passed", run=2, duration=1.2)
    await session.set_result("verdict", {"passed": True})
    info = await session.refresh()
    assert (info.steps["login"].run, info.steps["login"].status) == (2, "passed")
    assert info.results == {"verdict": {"passed": True}}
