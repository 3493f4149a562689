"""Lists are read page by page, only as far as they are iterated."""

from datetime import UTC

import pytest

from sojourn import Client, InvalidFieldError
from tests.unit.sdk.fake_service import FakeService


async def test_sessions(client: Client, service: FakeService):
    for number in range(8):
        service.add_session(f"s{number}")
    assert [session.id async for session in client.list_sessions()] == [f"s{number}" for number in range(8)]
    assert len(service.requests("ListSessions")) == 3


async def test_a_limit_is_exact_and_asks_for_no_more(client: Client, service: FakeService):
    for number in range(8):
        service.add_session(f"s{number}")
    assert len([session async for session in client.list_sessions(limit=5)]) == 5
    assert [request.page_size for request in service.requests("ListSessions")] == [5, 2]
    assert [session async for session in client.list_sessions(limit=0)] == []


async def test_pages_are_read_when_they_are_needed(client: Client, service: FakeService):
    service.add_session("s", revision=9)
    async for event in client.session("s").events():
        if event.revision == 4:
            break
    assert len(service.requests("ListEvents")) == 2


async def test_events_after_before_and_reverse(client: Client, service: FakeService):
    service.add_session("s", revision=5)
    session = client.session("s")
    events = [event async for event in session.events(after=2)]
    assert [event.revision for event in events] == [3, 4, 5]
    [_ async for _ in session.events(after=events[0], before="c5", kinds=["custom"], reverse=True)]
    request = service.requests("ListEvents")[-1]
    assert (request.after.cursor.token, request.before.cursor.token) == ("c3", "c5")
    assert (list(request.kinds), request.reverse) == ([12], True)
    for wrong in (-1, "", True, 1.5):
        with pytest.raises(InvalidFieldError, match="after"):
            [_ async for _ in session.events(after=wrong)]  # type: ignore[arg-type]


async def test_messages(client: Client, service: FakeService):
    service.add_session("s", revision=4)
    session = client.session("s")
    async with session.write() as write:
        write.add_message("user", "one")
        write.log("between")
        write.add_message("assistant", "two", parts=[{"x": 1}])
    await session.add_message("tool", tool_name="git", invocation_id="i")
    messages = [message async for message in session.messages()]
    assert [(message.role, message.content, message.revision) for message in messages] == [
        ("user", "one", 5),
        ("assistant", "two", 5),
        ("tool", None, 6),
    ]
    assert messages[1].parts == ({"x": 1},)
    assert (messages[2].tool_name, messages[2].invocation_id) == ("git", "i")
    assert messages[0].time.tzinfo is UTC
    for limit in (0, 1, 2):
        assert len([message async for message in session.messages(limit=limit)]) == limit
