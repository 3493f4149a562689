"""Bytes lost between the store and its engine: no write happens twice, no reply reaches the wrong caller."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from structlog.testing import capture_logs

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import NotFoundError, OutcomeUnknownError, StoreUnavailableError
from sojourn_server.store import hub as hub_module
from sojourn_server.store.opening import StoreSettings, open_store
from tests.support.engines import ValkeyProcess
from tests.support.history import History
from tests.support.proxy import Proxy
from tests.support.sessions import Desk, revisions, take
from tests.support.store_engines import SHARDS
from tests.support.waiting import wait_until

SEED = 20_260_401


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with ValkeyProcess() as server, Proxy(server.files.socket) as proxy:
        yield proxy


@pytest.fixture
async def desk(proxy: Proxy) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        desk = Desk(await open_store(StoreSettings(proxy.url, shards=SHARDS, call_timeout=2.0), stack))
        await desk.create()
        yield desk


async def back(desk: Desk) -> None:
    await wait_until(desk.store.answers, description="the store is back")


async def test_a_write_whose_reply_is_lost_happened_once(proxy, desk):
    proxy.lose_reply_to(b"the-body")
    with pytest.raises(OutcomeUnknownError) as raised:
        await desk.write(ch.LogAppended(), body=b"the-body")
    assert raised.value.metadata == {"session_id": "s"}
    await back(desk)
    assert [event.body for event in (await desk.events(after=1)).events] == [b"the-body"]


async def test_its_retry_gives_the_first_result(proxy, desk):
    proxy.lose_reply_to(b"the-key")
    with pytest.raises(OutcomeUnknownError):
        await desk.write(ch.StateIncremented("n", 1), idempotency_key="the-key")
    await back(desk)
    await desk.add(1)
    retried = await desk.write(ch.StateIncremented("n", 1), idempotency_key="the-key")
    assert (retried.revision, retried.replayed) == (2, True)
    assert (await desk.get()).state["n"] == b"1"


async def test_a_batch_tells_of_each_write_that_is_not_known(proxy, desk):
    writes = [desk.writing(ch.LogAppended(), body=b"b%d" % n, idempotency_key=f"key-{n}") for n in range(3)]
    proxy.lose_reply_to(b"key-1")
    results = await desk.store.active.write_many(writes)
    assert [type(result) for result in results] == [OutcomeUnknownError] * 3
    assert {result.metadata["session_id"] for result in results} == {"s"}
    await back(desk)
    assert [result.revision for result in await desk.store.active.write_many(writes)] == [2, 3, 4]
    assert (await desk.get()).revision == 4


async def test_creating_deleting_and_minting(proxy, desk):
    new = desk.new("t", idempotency_key="created")
    proxy.lose_reply_to(b"created")
    with pytest.raises(OutcomeUnknownError):
        await desk.store.active.create(new, or_get=False, checked=True)
    await back(desk)
    committed, created = await desk.store.active.create(new, or_get=False, checked=True)
    assert (committed.replayed, created) == (True, True)
    proxy.lose_reply_to(b"minted")
    with pytest.raises(OutcomeUnknownError):
        await desk.store.active.mint(desk.tenant, "minted", "first")
    await back(desk)
    assert await desk.store.active.mint(desk.tenant, "minted", "second") == "first"
    proxy.lose_reply_to(b"deleted")
    with pytest.raises(OutcomeUnknownError):
        await desk.delete("t", idempotency_key="deleted")
    await back(desk)
    assert await desk.delete("t", idempotency_key="deleted") == 1


async def test_a_read_whose_reply_is_lost_did_nothing(proxy, desk):
    proxy.lose_reply_to(desk.key().member.encode())
    with pytest.raises(StoreUnavailableError):
        await desk.get()
    await back(desk)
    assert (await desk.get()).revision == 1


async def test_a_connection_that_falls_silent(proxy, desk):
    assert proxy.mute(b"EVALSHA") == 1
    started = time.monotonic()
    with pytest.raises(OutcomeUnknownError):
        await desk.write(ch.LogAppended())
    assert time.monotonic() - started < 3
    await back(desk)
    assert (await desk.get()).revision == 2


@pytest.mark.parametrize("cancelled", [0.5, 0.95])
async def test_cancelled_calls_disturb_nobody(proxy, desk, cancelled):
    """Two thousand calls, most of them given up at some point of their way, and each other gets its own reply."""
    rng = random.Random(SEED)
    sids = [f"s{n}" for n in range(20)]
    for sid in sids:
        await desk.create(sid, state={"me": f'"{sid}"'.encode(), "n": b"0"})
    proxy.delay = 0.001

    async def call(sid: str) -> None:
        match rng.randrange(4):
            case 0:
                session = await desk.get(sid)
                assert (session.id, session.state["me"]) == (sid, f'"{sid}"'.encode())
            case 1:
                page = await desk.events(sid)
                assert page.events[0].body.startswith(b"created ")
            case 2:
                with pytest.raises(NotFoundError):
                    await desk.get(f"{sid}-nobody")
            case 3:
                await desk.write(ch.StateIncremented("n", 1), sid=sid, body=sid.encode())

    async def give_up(task: asyncio.Task[None], turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()

    with capture_logs() as logs:
        for _ in range(20):
            tasks = [asyncio.create_task(call(rng.choice(sids))) for _ in range(100)]
            doomed = rng.sample(tasks, int(100 * cancelled))
            await asyncio.gather(*(give_up(task, rng.randrange(50)) for task in doomed))
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if result is not None and not isinstance(result, asyncio.CancelledError):
                    raise result
    assert [entry for entry in logs if entry["log_level"] in ("warning", "error", "critical")] == []
    for sid in sids:
        session, page = await desk.get(sid), await desk.events(sid, count=1000)
        assert int(session.state["n"]) == session.revision - 1 == len(page.events) - 1
        assert {event.body for event in page.events[1:]} <= {sid.encode()}


async def test_connections_cut_at_random_under_writers(proxy, desk):
    rng = random.Random(SEED)
    history = History(desk)
    for n in range(0, 30, 5):
        writing = [asyncio.create_task(history.write_until_done(b"%d" % i)) for i in range(n, n + 5)]
        for _ in range(rng.randrange(30)):
            await asyncio.sleep(0)
        proxy.cut()
        await asyncio.gather(*writing)
    assert len(history.acknowledged) == 30
    await history.check()


@pytest.mark.parametrize("reply", [b"+OK\r\n", b"*1\r\n$1\r\nx\r\n", b":1\r\n", b"-ERR unasked\r\n", b"nonsense\r\n"])
async def test_a_reply_nobody_asked_for(proxy, desk, reply):
    """However it comes about, no caller gets it as his, and the connection is given up."""
    proxy.inject(reply, into=b"EVALSHA")
    link = desk.store.nodes.link(desk.keys().shard)
    await wait_until(lambda: not link.up, description="the connection is given up")
    await back(desk)
    assert (await desk.write(ch.LogAppended())).revision == 2


async def test_a_reply_too_many_while_calls_wait(proxy, desk):
    for sid in ("a", "b"):
        await desk.create(sid)
    proxy.delay = 0.05
    calls = [asyncio.create_task(desk.get(sid)) for sid in ("s", "a", "b")]
    writing = asyncio.create_task(desk.write(ch.LogAppended(), sid="b"))
    link = desk.store.nodes.link(desk.store.commits.shards[0])
    await wait_until(lambda: len(link._inflight) == 4, description="all calls are sent")
    proxy.inject(b"*1\r\n$1\r\nx\r\n", into=b"EVALSHA")
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailableError] * 3
    with pytest.raises(OutcomeUnknownError):
        await writing
    proxy.delay = 0
    await back(desk)
    assert (await desk.get("b")).id == "b"


async def test_a_subscription_that_falls_silent_is_made_anew(proxy, desk, monkeypatch):
    """Events keep coming by the poll, and soon at once again."""
    async with desk.watch() as (_, tap):
        await desk.write(ch.LogAppended())
        await take(tap, 1)
        monkeypatch.setattr(hub_module, "POLL_SECONDS", 0.1)
        assert proxy.mute(b"SSUBSCRIBE") == 1
        revision = 2

        async def at_once() -> bool:
            nonlocal revision
            await desk.write(ch.LogAppended())
            revision += 1
            started = time.monotonic()
            assert revisions(await take(tap, 1, timeout=5)) == [revision]
            monkeypatch.setattr(hub_module, "POLL_SECONDS", 0.3)
            return time.monotonic() - started < 0.02

        assert not await at_once()
        for _ in range(2):
            await wait_until(at_once, timeout=20, description="notifications")
