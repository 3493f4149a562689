"""A desk learns what happens to its session's requests from a hub and a store that may answer late."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sojourn_server.domain.cursor import SessionCursor
from sojourn_server.domain.errors import NotFoundError
from sojourn_server.domain.requests import Begun, Request, RequestKey, RequestPolicy, RequestState
from sojourn_server.domain.session import SessionKey
from sojourn_server.usecases.background import Background
from sojourn_server.usecases.desk import Desk
from sojourn_server.usecases.tracked import Tracked
from tests.support.waiting import wait_until

KEY = SessionKey("default", "s")
HELD = Request(
    key=RequestKey(KEY, "a"), name="", state=RequestState.ADMITTED, priority=0, policy=RequestPolicy.QUEUE,
    exclusive=False, user_id="", project="", lease_ms=15_000, begin_us=10, token=7,
)  # fmt: skip


class Tap:
    async def next(self, timeout):
        await asyncio.sleep(timeout)
        return []


class Service:
    """The hub and the store's requests; `there` is whether they find the session. Answers wait for `answer`."""

    def __init__(self):
        self.there = False
        self.looked = 0
        self.answer = asyncio.Event()

    @asynccontextmanager
    async def session(self, key, after):
        found, self.looked = self.there, self.looked + 1
        await self.answer.wait()
        if not found:
            raise NotFoundError.missing(key.session_id)
        yield SessionCursor("uid", "inc", 1, 1), Tap()

    async def of_session(self, key):
        if not self.there:
            raise NotFoundError.missing(key.session_id)
        return [HELD]


@pytest.fixture
async def service():
    return Service()


@pytest.fixture
async def desk(service):
    background = Background()
    desk = Desk(KEY, service, service, None, background)
    await wait_until(lambda: service.looked, description="the desk looks for its session")
    yield desk
    desk.close()
    await background.wait()


def begin(desk):
    """A stream whose request has begun."""
    tracked = Tracked(Begun(replace(HELD), False), 0.0)
    desk.users += 1
    desk.join(tracked, desk.version)
    return tracked


async def test_a_session_that_was_made_after_the_desk_looked_for_it(desk, service):
    service.there = True
    tracked = begin(desk)
    service.answer.set()
    await wait_until(lambda: desk.cursor, description="the desk has found its session")
    assert not tracked.over
    assert not desk.closed


async def test_a_session_that_is_gone_ends_its_streams(desk, service):
    tracked = begin(desk)
    service.answer.set()
    await wait_until(lambda: tracked.over, description="the stream has ended")


async def test_a_desk_that_nobody_uses_gives_up(desk, service):
    service.answer.set()
    await wait_until(lambda: desk.closed, description="the desk is closed")
