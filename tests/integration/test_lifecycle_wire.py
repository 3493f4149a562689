"""Sessions whose time is over, users with too many of them, and who is connected: as a client sees it."""

import asyncio

import pytest

from sojourn.v1 import session_pb2
from sojourn.v1 import session_service_pb2 as pb
from tests.support import wire
from tests.support.request_wire import Track, begin
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until
from tests.support.wire import check, create, failure, incremented, write

EXPIRED, ABANDONED = session_pb2.SESSION_STATUS_EXPIRED, session_pb2.SESSION_STATUS_ABANDONED


@pytest.fixture(scope="module")
def server():
    process = ServerUnderTest(reap_seconds=0.2, default_idle_timeout=3600, default_max_lifetime=7200)
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


async def session(stub, sid):
    return (await stub.GetSession(pb.GetSessionRequest(session_id=sid))).session


async def expired(stub, sid, status=EXPIRED):
    async def over():
        found = await session(stub, sid)
        return found.status == status and found

    return await wait_until(over, timeout=10, description=f"{sid} expires")


async def test_an_idle_session_expires_with_an_event(stub, sid):
    await create(stub, sid, idle_timeout=wire.interval(0.5))
    found = await expired(stub, sid)
    assert (found.revision, found.error) == (2, "idle for 0.5 s")
    (event,) = [event async for event in events(stub, sid) if event.revision == 2]
    assert event.changes[0].status_changed.status == EXPIRED
    assert event.commit_time.ToMicroseconds() - found.create_time.ToMicroseconds() >= 500_000
    check(await failure(stub.WriteSession(write(sid))), "FAILED_PRECONDITION", "SESSION_ENDED")


async def events(stub, sid):
    for event in await wire.log_of(stub, sid):
        yield event


async def test_writes_reset_the_idle_clock_and_not_the_lifetime(stub, sid):
    await create(stub, sid, idle_timeout=wire.interval(0.6), max_lifetime=wire.interval(2))

    async def keep_writing():
        while True:
            await stub.WriteSession(write(sid, incremented("n")))
            await asyncio.sleep(0.1)

    check(await failure(keep_writing()), "FAILED_PRECONDITION", "SESSION_ENDED")
    found = await expired(stub, sid)
    assert found.error == "older than 2 s"
    assert int(found.state["n"].json) > 8


async def test_a_session_with_a_live_request_never_expires(stub, sid):
    await create(stub, sid, idle_timeout=wire.interval(0.3), max_lifetime=wire.interval(0.6))
    assert (await session(stub, sid)).HasField("expire_time")
    async with Track(stub, begin(sid, "a"), beat=0.3) as track:
        await track.admitted()
        await asyncio.sleep(1.2)
        found = await session(stub, sid)
        assert (found.status, found.HasField("expire_time")) == (session_pb2.SESSION_STATUS_ACTIVE, False)
        assert (found.admitted_requests, found.queued_requests) == (1, 0)
        await track.finish()
    await expired(stub, sid)


async def test_what_a_caller_leaves_open_the_server_decides(stub, sid):
    await create(stub, f"{sid}-default")
    await create(stub, f"{sid}-never", idle_timeout=wire.Duration(), max_lifetime=wire.Duration())
    await create(stub, f"{sid}-own", idle_timeout=wire.interval(60))
    default, never, own = [await session(stub, f"{sid}-{name}") for name in ("default", "never", "own")]
    assert (default.idle_timeout.seconds, default.max_lifetime.seconds) == (3600, 7200)
    assert not never.HasField("expire_time")
    assert (own.idle_timeout.seconds, own.max_lifetime.seconds) == (60, 7200)


async def test_connections_of_a_session_are_counted(stub, sid):
    await create(stub, sid)

    def count(wanted):
        async def so_many():
            return (await session(stub, sid)).connection_count == wanted

        return wait_until(so_many, description=f"{wanted} connections")

    watch = stub.WatchSession(wire.watch(sid))
    await watch.read()
    await count(1)
    async with Track(stub, begin(sid, "a")) as track:
        await track.admitted()
        await count(2)
        await track.finish()
    await count(1)
    watch.cancel()
    await count(0)


async def test_sessions_expire_as_abandoned_where_that_is_wished():
    async with (
        ServerUnderTest(reap_seconds=0.2, expire_as="abandoned") as server,
        wire.connect(server.target) as stub,
    ):
        await create(stub, "s", idle_timeout=wire.interval(0.2))
        await expired(stub, "s", ABANDONED)


def exceeded(found, limit):
    check(found, "RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED")
    assert found.metadata == {"limit_name": "sessions_per_user", "limit": str(limit)}
    assert found.retry_after


async def test_a_user_may_have_so_many_sessions():
    async with ServerUnderTest(sessions_per_user=2) as server, wire.connect(server.target) as stub:

        def new(session_id, **rest):
            return stub.CreateSession(pb.CreateSessionRequest(session_id=session_id, user_id="u", **rest))

        await new("a")
        await new("b")
        exceeded(await failure(new("c")), 2)
        check(await failure(stub.GetSession(pb.GetSessionRequest(session_id="c"))), "NOT_FOUND", "SESSION_NOT_FOUND")
        assert not (await new("a", if_exists=pb.IF_EXISTS_RETURN)).created
        check(await failure(new("a")), "ALREADY_EXISTS", "SESSION_ALREADY_EXISTS")
        exceeded(await failure(new("c")), 2)
        await create(stub, "other", user_id="v")
        await create(stub, "nobodys")
        await stub.CompleteSession(pb.CompleteSessionRequest(session_id="a"))
        await new("c")
        exceeded(await failure(new("d")), 2)
        await stub.DeleteSession(pb.DeleteSessionRequest(session_id="b"))
        await new("d")
        # The id of another user's session: no place is taken by it.
        await stub.DeleteSession(pb.DeleteSessionRequest(session_id="d"))
        check(await failure(new("other")), "ALREADY_EXISTS", "SESSION_ALREADY_EXISTS")
        assert not (await new("other", if_exists=pb.IF_EXISTS_RETURN)).created
        await new("e")
        exceeded(await failure(new("f")), 2)
        assert (await new("other", if_exists=pb.IF_EXISTS_RETURN)).session.user_id == "v"


async def test_a_creation_may_expire_the_one_that_was_idle_longest():
    async with (
        ServerUnderTest(sessions_per_user=2, sessions_per_user_full="expire_oldest", reap_seconds=60) as server,
        wire.connect(server.target) as stub,
    ):

        def new(session_id):
            return stub.CreateSession(pb.CreateSessionRequest(session_id=session_id, user_id="u"))

        for name in ("a", "b", "c"):
            await new(name)
            if name == "b":
                await stub.WriteSession(write("a"))
        statuses = {name: (await session(stub, name)).status for name in ("a", "b", "c")}
        assert [name for name, status in statuses.items() if status == EXPIRED] == ["b"]
        assert (await session(stub, "b")).error == "made room for a new session"
        async with Track(stub, begin("a", "r")) as track:
            await track.admitted()
            await new("d")
            assert (await session(stub, "c")).status == EXPIRED, "a works"
            async with Track(stub, begin("d", "r")) as other:
                await other.admitted()
                exceeded(await failure(new("e")), 2)
                await other.finish()
            await track.finish()
        await new("e")
        assert (await session(stub, "a")).status == session_pb2.SESSION_STATUS_ACTIVE, "used after d"
