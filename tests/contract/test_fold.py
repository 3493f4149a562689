"""Whatever is written, a session is the fold of its events."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from sojourn_server.domain.errors import ConflictError
from sojourn_server.domain.fold import fold
from sojourn_server.domain.session import Session
from sojourn_server.store.opening import StoreSettings, open_store
from tests.support.changes import creations, writes
from tests.support.sessions import Desk
from tests.support.store_engines import SHARDS

EXAMPLES = settings(
    max_examples=60, deadline=None, phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@given(created=creations, written=writes)
@EXAMPLES
def test_a_session_is_the_fold_of_its_events(embedded, runner, created, written):
    async def play() -> None:
        async with contextlib.AsyncExitStack() as stack:
            desk = Desk(await open_store(StoreSettings(embedded.url, shards=SHARDS), stack))
            begins_with = {name: getattr(created, name) for name in created.__slots__ if name != "uid"}
            committed = await desk.create(**begins_with, body=b"0")
            bodies = {b"0": [created]}
            for n, changes in enumerate(written, start=1):
                body = b"%d" % n
                with contextlib.suppress(ConflictError):  # an increment that fails: nothing happened
                    await desk.write(*changes, body=body, on_ended=True)
                    bodies[body] = changes
            session, page = await desk.get(), await desk.events()
            await desk.delete()
        assert [event.body for event in page.events] == list(bodies)
        folded, open_invocations = Session("s", "", committed.incarnation), {}
        for event in page.events:
            fold(folded, bodies[event.body], event.commit_us, open_invocations)
        folded.uid = committed.uid
        assert session == folded

    runner.run(play())
