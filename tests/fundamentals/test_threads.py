"""Threads: conversations that remember their last query."""

import asyncio
from datetime import timedelta

import pytest

import sojourn
import sojourn.testing
from tests.support.waiting import wait_until


async def test_a_thread_answers_and_remembers(client, name):
    thread = await client.thread(user_id=name, metadata={"plan": "pro"})
    async with thread.query("What is 6 times 7?", agent="calculator") as query:
        async with query.invocation("multiply", arguments=[6, 7]) as call:
            call.result = 42
        query.response = "42"
        query.usage = sojourn.Usage(input_tokens=10, output_tokens=1)
    assert query.execution_time > timedelta(0)

    thread = await client.thread(thread.id, user_id=name)
    assert thread.context == sojourn.ThreadContext(
        query_count=1,
        last_query="What is 6 times 7?",
        last_agent_type="calculator",
        last_agent_used="calculator",
        last_response="42",
        last_execution_time=query.execution_time,
    )
    assert thread.metadata == {
        "plan": "pro", "query_count": 1, "last_query": "What is 6 times 7?", "last_agent_type": "calculator",
    }  # fmt: skip
    async with thread.query("And what was that?") as query:
        before = [(message.role, message.content) for message in await query.history()]
        assert before == [("user", "What is 6 times 7?"), ("assistant", "42")]
        query.response, query.agent_used = "42, as I said", "parrot"
    assert (await thread.refresh()).last_agent_used == "parrot"
    assert [message.content for message in await thread.history(limit=2)] == ["And what was that?", "42, as I said"]
    info = thread.session.info
    assert (info.kind, info.usage.total_tokens, info.tools) == ("thread", 11, {"multiply": 1})


async def test_no_id_an_unknown_id_a_known_id(client, name):
    minted = await client.thread(user_id=name)
    assert minted.id.startswith("thread-")
    chosen = await client.thread(name, user_id=name)
    assert chosen.id == name
    assert (await client.thread(name, user_id=name)).session.info.uid == chosen.session.info.uid
    opened = await asyncio.gather(*[client.thread(f"{name}-2", user_id=name) for _ in range(10)])
    assert len({thread.session.info.uid for thread in opened}) == 1
    assert {thread.id async for thread in client.threads(user_id=name)} == {minted.id, name, f"{name}-2"}


async def test_a_thread_is_its_users_alone(client, name, sojourn_server):
    await client.thread(name, user_id=name)
    for stranger in ("eve", "", None):
        with pytest.raises(sojourn.ThreadAccessDeniedError) as refused:
            await client.thread(name, user_id=stranger)
        assert refused.value.thread_id == name
    async with sojourn.Client(sojourn_server, user_id=name) as ours:
        assert (await ours.thread(name)).user_id == name
    nobodys = await client.thread(f"{name}-nobodys")
    assert (await client.thread(nobodys.id, user_id="eve")).user_id == ""
    with pytest.raises(sojourn.SessionAlreadyExistsError):
        await client.thread((await client.create_session()).id)


async def test_a_user_has_as_many_threads_as_the_server_allows():
    async with (
        sojourn.testing.server(sessions_per_user=2) as target,
        sojourn.Client(target) as client,
        asyncio.timeout(20),  # and no waiting for room that time does not bring
    ):
        opened = await asyncio.gather(*[client.thread(user_id="ada") for _ in range(4)], return_exceptions=True)
        refused = [each for each in opened if isinstance(each, sojourn.LimitExceededError)]
        assert [(error.limit_name, error.limit) for error in refused] == [("sessions_per_user", 2)] * 2
        (thread, *_) = [each for each in opened if isinstance(each, sojourn.Thread)]
        await thread.session.complete()
        await client.thread(user_id="ada")
        with pytest.raises(sojourn.LimitExceededError):  # the place is taken
            await client.thread(thread.id, user_id="ada")


async def test_errors_are_counted_and_go_on_their_way(client, name):
    thread = await client.thread(name)
    with pytest.raises(ZeroDivisionError):
        async with thread.query("1 / 0?", agent="calculator"):
            raise ZeroDivisionError("by zero")
    async with thread.query("And now?") as query:
        query.error = "x" * 1000
    context = await thread.refresh()
    assert (context.query_count, context.error_count) == (2, 2)
    assert context.last_error == "x" * 499 + "…"
    assert [message.role for message in await thread.history()] == ["user", "user"]


async def test_a_query_that_is_cancelled_is_no_error(client, name):
    thread = await client.thread(name)

    async def ask_and_be_stopped():
        async with thread.query("Are you there?") as query:
            await client.cancel_request(thread.id, query.request.id, reason="enough")
            await asyncio.Event().wait()

    with pytest.raises(sojourn.RequestCancelledError):
        await ask_and_be_stopped()
    async with thread.query("And now?", on_cancel="flag") as query:
        query.response = "Yes, I"
        await client.cancel_request(thread.id, query.request.id)
        await query.request.cancelled
    context = await thread.refresh()
    assert (context.query_count, context.error_count, context.last_response) == (2, 0, "Yes, I")


async def test_queries_of_a_thread_are_answered_one_by_one_and_counted_exactly(client, name):
    thread = await client.thread(name)

    async def ask(number):
        async with thread.query(f"question {number}") as query:
            query.response = f"answer {number}"

    await asyncio.gather(*map(ask, range(20)))
    context = await thread.refresh()
    assert context.query_count == 20
    said = [message.content for message in await thread.history(limit=None)]
    asked, answered = said[::2], said[1::2]
    assert sorted(asked) == sorted(f"question {number}" for number in range(20))
    assert answered == [question.replace("question", "answer") for question in asked]
    assert (context.last_query, context.last_response) == (asked[-1], answered[-1])


async def test_a_thread_that_has_expired_goes_on_or_begins_anew(client, name):
    async def expired(thread_id):
        return not (await client.get_session(thread_id)).info.is_active

    async def opened(number, **how):
        thread = await client.thread(f"{name}-{number}", idle_timeout=0.1)
        await thread.session.update(metadata={"seen": True})
        await wait_until(lambda: expired(thread.id), description="the thread expires")
        return await client.thread(thread.id, **how)

    resumed, new, refused = await asyncio.gather(
        opened(1), opened(2, if_ended="new", idle_timeout=3600), opened(3, if_ended="error"), return_exceptions=True
    )
    assert (resumed.session.info.metadata, resumed.session.info.status) == ({"seen": True}, "active")
    assert (new.session.info.metadata, new.session.info.status) == ({}, "active")
    assert isinstance(refused, sojourn.SessionEndedError)
    assert refused.status == "expired"


async def test_what_is_wrong_with_a_thread_is_said_before_anything_happens(client, name):
    with pytest.raises(sojourn.InvalidFieldError):
        await client.thread("no id")
    for wrong in ({"if_ended": "maybe"}, {"response_chars": 0}):
        with pytest.raises(sojourn.InvalidFieldError):
            await client.thread(name, **wrong)
    with pytest.raises(sojourn.SessionNotFoundError):
        await client.get_session(name)
