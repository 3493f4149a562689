"""Sessions that left the active store, over the wire: everything works as before, wherever they are."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from sojourn.v1 import error_reason_pb2, event_pb2, search_pb2, session_pb2, tiers_pb2
from sojourn.v1 import session_service_pb2 as pb
from tests.support import wire
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until

TIERS = {"recent": session_pb2.TIER_RECENT, "archive": session_pb2.TIER_ARCHIVE}
NEVER = 1_000_000
ACTIVE = session_pb2.SESSION_STATUS_ACTIVE


@pytest.fixture(scope="module", params=TIERS)
def server(request, tmp_path_factory):
    """A server where sessions that have ended are in one tier a moment later."""
    blobs = tmp_path_factory.mktemp("blobs")
    process = ServerUnderTest(
        recent_after_seconds=0, archive_after_seconds=0 if request.param == "archive" else NEVER,
        archiver_seconds=0.05, project_seconds=0.05, blobs=blobs.as_uri(),
    )  # fmt: skip
    process.tier, process.blobs = TIERS[request.param], blobs
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture
async def gone(stub, server, sid):
    """The id of a session that has ended and left the active store."""
    await tell(stub, sid)
    await leave(stub, server, sid)
    return sid


async def tell(stub, sid):
    """A session with a little of everything, at revision 6."""
    state = {"n": wire.value(1)}
    await wire.create(stub, sid, user_id=sid, purpose="to be moved", tags=["a"], state=state)
    for number in range(3):
        await stub.WriteSession(wire.write(sid, wire.message(f"word{number} of {sid}"), wire.incremented("n")))
    started = event_pb2.InvocationStarted(invocation_id="i", tool="t", arguments=wire.value({"a": 1}))
    await stub.WriteSession(wire.write(sid, event_pb2.Change(invocation_started=started)))
    result = event_pb2.ResultSet(name="r", value=wire.value([1]))
    await stub.WriteSession(wire.write(sid, event_pb2.Change(result_set=result)))


async def leave(stub, server, sid):
    """Ends a session and waits until it is in the server's tier."""
    await stub.CompleteSession(pb.CompleteSessionRequest(session_id=sid))
    await arrival(stub, server, sid)


async def arrival(stub, server, sid):
    async def arrived():
        row = (await stub.ListSessions(listing(sid))).sessions
        return row and row[0].storage.tier == server.tier

    await wait_until(arrived, description="the session left")


def listing(sid, **conditions):
    conditions = session_pb2.SessionFilter(user_id=sid, **conditions)
    return pb.ListSessionsRequest(filter=conditions, consistency=search_pb2.CONSISTENCY_STRONG)


async def get(stub, sid, **view):
    return (await stub.GetSession(pb.GetSessionRequest(session_id=sid, **view))).session


async def resume(stub, sid, key=""):
    return await stub.ResumeSession(tiers_pb2.ResumeSessionRequest(session_id=sid, idempotency_key=key))


async def fork(stub, sid, **rest):
    return (await stub.ForkSession(tiers_pb2.ForkSessionRequest(session_id=sid, **rest))).session


def files(server):
    return {str(path.relative_to(server.blobs)) for path in Path(server.blobs).rglob("*") if path.is_file()}


async def test_a_read_says_where_the_session_is(stub, server, gone):
    session = await get(stub, gone)
    assert session.storage.tier == server.tier
    path = session.storage.archive_path or session.storage.snapshot_path
    assert path in files(server)
    assert bool(session.storage.archive_path) == (server.tier == session_pb2.TIER_ARCHIVE)
    assert bool(session.storage.snapshot_path) == (server.tier == session_pb2.TIER_RECENT)


async def test_everything_is_read_as_before(stub, server, sid):
    await tell(stub, sid)
    await stub.CompleteSession(pb.CompleteSessionRequest(session_id=sid))
    before = await get(stub, sid)
    log = await wire.log_of(stub, sid)
    await arrival(stub, server, sid)
    now, basic = await get(stub, sid), await get(stub, sid, view=session_pb2.SESSION_VIEW_BASIC)
    for session in (before, now, basic):
        session.ClearField("storage")
    assert now == before
    assert await wire.log_of(stub, sid) == log
    before.ClearField("state")
    before.ClearField("results")
    assert basic == before
    items = (await stub.BatchGetSessions(pb.BatchGetSessionsRequest(session_ids=[sid, "nobody"]))).items
    assert items[0].session.state == now.state
    assert items[1].status.code == 5


async def test_the_log_is_read_from_any_place(stub, server, gone):
    log = await wire.log_of(stub, gone)
    assert [event.revision for event in log] == list(range(1, 8))

    async def page(**request):
        return list((await stub.ListEvents(pb.ListEventsRequest(session_id=gone, **request))).events)

    assert await page(after=wire.after(3)) == log[3:]
    assert await page(after=wire.after(log[3].cursor.token)) == log[4:]
    assert await page(before=wire.after(3)) == log[:2]
    assert await page(reverse=True, page_size=2) == [log[6], log[5]]
    assert await page(kinds=[event_pb2.CHANGE_KIND_MESSAGE_APPENDED]) == log[1:4]
    first = await stub.ListEvents(pb.ListEventsRequest(session_id=gone, page_size=4))
    rest = await stub.ListEvents(pb.ListEventsRequest(session_id=gone, page_size=4, page_token=first.next_page_token))
    assert [*first.events, *rest.events] == log
    assert not rest.next_page_token


async def test_it_is_found_in_its_tier(stub, server, gone):
    for tier in (session_pb2.TIER_HOT, *TIERS.values()):
        found = (await stub.ListSessions(listing(gone, tiers=[tier]))).sessions
        assert [(one.id, one.storage.tier) for one in found] == ([(gone, tier)] if tier == server.tier else [])
        count = search_pb2.CountSessionsRequest(filter=session_pb2.SessionFilter(user_id=gone, tiers=[tier]))
        assert (await stub.CountSessions(count)).count == (tier == server.tier)
    (found,) = (await stub.SearchSessions(search_pb2.SearchSessionsRequest(query=f'"word1 of {gone}"'))).found
    assert (found.session.id, found.session.storage.tier) == (gone, server.tier)


async def test_resume(stub, server, gone):
    before, log = await get(stub, gone), await wire.log_of(stub, gone)
    response = await resume(stub, gone)
    session = response.session
    assert response.resumed
    assert response.from_tier == server.tier
    assert (session.uid, session.revision, session.status) == (before.uid, before.revision + 1, ACTIVE)
    assert (session.state, session.results, session.counters) == (before.state, before.results, before.counters)
    assert session.storage.tier == session_pb2.TIER_HOT
    assert not session.HasField("end_time")
    assert (await wire.log_of(stub, gone))[:-1] == log
    again = await resume(stub, gone)
    assert (again.resumed, again.session) == (False, session)
    written = await stub.WriteSession(wire.write(gone))
    assert written.revision == before.revision + 2


async def test_a_watch_from_before_goes_on_after_a_resume(stub, gone):
    before = await get(stub, gone)
    await resume(stub, gone)
    call = stub.WatchSession(wire.watch(gone, before.cursor.token, progress=0.1))
    await stub.WriteSession(wire.write(gone))
    seen = []
    async for message in wire.messages(call):
        seen += message.events
        if len(seen) == 2:
            break
    call.cancel()
    assert wire.revisions(seen) == [before.revision + 1, before.revision + 2]


async def test_a_resume_is_safe_to_retry(stub, server, gone):
    first = await resume(stub, gone, key="k")
    again = await resume(stub, gone, key="k")
    assert (again.resumed, again.session) == (True, first.session)
    await leave(stub, server, gone)
    late = await resume(stub, gone, key="k")
    assert late.resumed
    assert late.session.revision == first.session.revision + 1
    assert late.session.status == session_pb2.SESSION_STATUS_COMPLETED


async def test_a_session_may_come_and_go(stub, server, gone):
    log = await wire.log_of(stub, gone)
    for _ in range(3):
        await resume(stub, gone)
        await leave(stub, server, gone)
        now = await wire.log_of(stub, gone)
        assert now[: len(log)] == log
        assert [after.revision - before.revision for before, after in pairwise(now)] == [1] * (len(now) - 1)
        log = now


async def test_fork(stub, gone):
    parent, log = await get(stub, gone), await wire.log_of(stub, gone)
    child = await fork(stub, gone, writer="me")
    assert (child.parent, child.status, child.revision) == (gone, ACTIVE, parent.revision + 1)
    assert child.uid != parent.uid
    assert (child.state, child.results, child.tags) == (parent.state, parent.results, parent.tags)
    assert child.storage.tier == session_pb2.TIER_HOT
    history = await wire.log_of(stub, child.id)
    assert [event.changes for event in history[:-1]] == [event.changes for event in log]
    forked = history[-1].changes[-1].forked
    assert (forked.parent_id, forked.parent_revision, forked.uid) == (gone, parent.revision, child.uid)
    assert history[-1].writer == "me"
    closed = history[-1].changes[0].invocation_finished
    assert (closed.invocation_id, closed.status) == ("i", event_pb2.INVOCATION_STATUS_INTERRUPTED)
    assert (child.counters.open_invocations, parent.counters.open_invocations) == (0, 1)
    assert await get(stub, gone) == parent
    await stub.WriteSession(wire.write(child.id))


async def test_fork_at_a_revision(stub, sid, gone):
    child = await fork(stub, gone, at_revision=2, new_session_id=f"{sid}-fork")
    assert (child.id, child.revision) == (f"{sid}-fork", 3)
    assert child.state["n"].json == b"2"
    assert child.counters.messages == 1
    assert [event.revision for event in await wire.log_of(stub, child.id)] == [1, 2, 3]
    failed = await wire.failure(fork(stub, gone, at_revision=99))
    wire.check(failed, "INVALID_ARGUMENT", "INVALID_FIELD")


async def test_a_fork_is_safe_to_retry(stub, gone):
    first = await fork(stub, gone, idempotency_key=f"key of {gone}")
    again = await fork(stub, gone, idempotency_key=f"key of {gone}")
    assert again == first
    failed = await wire.failure(fork(stub, gone, new_session_id=first.id))
    wire.check(failed, "ALREADY_EXISTS", "SESSION_ALREADY_EXISTS")


async def test_a_fork_moves_like_any_session(stub, server, gone):
    child = await fork(stub, gone)
    log = await wire.log_of(stub, child.id)
    await stub.CompleteSession(pb.CompleteSessionRequest(session_id=child.id))

    async def arrived():
        return (await get(stub, child.id)).storage.tier == server.tier

    await wait_until(arrived)
    assert (await wire.log_of(stub, child.id))[:-1] == log
    assert (await resume(stub, child.id)).session.uid == child.uid


async def test_a_label_brings_it_back_for_a_while(stub, server, gone):
    before = await get(stub, gone)
    updated = event_pb2.Change(info_updated=event_pb2.InfoUpdated(add_tags=["b"]))
    written = await stub.WriteSession(wire.write(gone, updated))
    assert written.revision == before.revision + 1
    await arrival(stub, server, gone)
    now = await get(stub, gone)
    assert (list(now.tags), now.revision, now.status) == (["a", "b"], written.revision, before.status)
    assert now.end_time == before.end_time
    assert len(await wire.log_of(stub, gone)) == written.revision


async def test_what_would_be_refused_is_refused_where_it_is(stub, server, gone):
    before = await get(stub, gone)
    failed = await wire.failure(stub.WriteSession(wire.write(gone)))
    wire.check(failed, "FAILED_PRECONDITION", "SESSION_ENDED")
    failed = await wire.failure(stub.WriteSession(wire.write(gone, expected_revision=2)))
    wire.check(failed, "ABORTED", "REVISION_CONFLICT")
    failed = await wire.failure(stub.WriteSession(wire.write(gone, required_status=ACTIVE)))
    wire.check(failed, "FAILED_PRECONDITION", "STATUS_CONFLICT")
    failed = await wire.failure(stub.CompleteSession(pb.CompleteSessionRequest(session_id=gone)))
    wire.check(failed, "FAILED_PRECONDITION", "SESSION_ENDED")
    failed = await wire.failure(stub.BeginRequest(pb.BeginRequestRequest(session_id=gone)))
    wire.check(failed, "FAILED_PRECONDITION", "SESSION_ENDED")
    failed = await wire.failure(stub.FinishRequest(pb.FinishRequestRequest(session_id=gone, request_id="r", outcome=1)))
    wire.check(failed, "NOT_FOUND", "REQUEST_NOT_FOUND")
    batch = await stub.BatchWriteSessions(pb.BatchWriteSessionsRequest(writes=[wire.write(gone), wire.write("none")]))
    assert [item.status.reason for item in batch.items] == [
        error_reason_pb2.ERROR_REASON_SESSION_ENDED,
        error_reason_pb2.ERROR_REASON_SESSION_NOT_FOUND,
    ]
    assert not (await stub.ListRequests(pb.ListRequestsRequest(session_id=gone))).requests
    assert await get(stub, gone) == before


async def test_its_id_is_taken(stub, gone):
    failed = await wire.failure(wire.create(stub, gone))
    wire.check(failed, "ALREADY_EXISTS", "SESSION_ALREADY_EXISTS")
    found = await stub.CreateSession(pb.CreateSessionRequest(session_id=gone, if_exists=pb.IF_EXISTS_RETURN))
    assert (found.created, found.session) == (False, await get(stub, gone))


async def test_delete(stub, server, gone):
    before = await get(stub, gone)
    path = before.storage.archive_path or before.storage.snapshot_path
    deleted = await stub.DeleteSession(pb.DeleteSessionRequest(session_id=gone))
    assert deleted.revision == before.revision
    for call in (get(stub, gone), wire.log_of(stub, gone), resume(stub, gone), fork(stub, gone)):
        wire.check(await wire.failure(call), "NOT_FOUND", "SESSION_DELETED")
    assert not (await stub.ListSessions(listing(gone))).sessions
    await wait_until(lambda: not any(before.uid in one for one in files(server)), description=f"{path} is gone")
    anew = await wire.create(stub, gone, user_id=gone)
    assert (anew.revision, anew.uid == before.uid) == (1, False)
    await leave(stub, server, gone)
    assert (await get(stub, gone)).uid == anew.uid


async def test_delete_at_another_revision(stub, gone):
    request = pb.DeleteSessionRequest(session_id=gone, expected_revision=1)
    wire.check(await wire.failure(stub.DeleteSession(request)), "ABORTED", "REVISION_CONFLICT")
    assert (await get(stub, gone)).id == gone


async def test_save(stub, server, sid):
    await tell(stub, sid)
    saved = await stub.SaveSession(tiers_pb2.SaveSessionRequest(session_id=sid))
    assert saved.storage.tier == session_pb2.TIER_HOT
    assert saved.storage.snapshot_path in files(server)
    assert (Path(server.blobs) / saved.storage.snapshot_path).stat().st_size == saved.size_bytes
    assert saved.revision == 6
    (row,) = (await stub.ListSessions(listing(sid))).sessions
    assert row.storage.snapshot_path == saved.storage.snapshot_path
    await leave(stub, server, sid)
    again = await stub.SaveSession(tiers_pb2.SaveSessionRequest(session_id=sid))
    assert (again.storage, again.revision) == ((await get(stub, sid)).storage, 7)
    assert saved.storage.snapshot_path not in files(server)


@pytest.mark.parametrize("name", ["SaveSession", "ResumeSession", "ForkSession"])
async def test_a_session_that_never_was(stub, name):
    request = getattr(tiers_pb2, f"{name}Request")(session_id="nobody")
    wire.check(await wire.failure(getattr(stub, name)(request)), "NOT_FOUND", "SESSION_NOT_FOUND")
