"""CleanupSessions over the wire: what it selects, what it does, and what it leaves alone."""

import asyncio
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration

from sojourn.v1 import search_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn.v1 import tiers_pb2 as tpb
from tests.support import wire

ACTIVE, ABANDONED = session_pb2.SESSION_STATUS_ACTIVE, session_pb2.SESSION_STATUS_ABANDONED


@pytest.fixture
def user():
    """Whose sessions a test cleans up."""
    return f"u{uuid4().hex[:12]}"


@pytest.fixture
async def three(stub, user):
    """Ids of three sessions; the second has ended."""
    ids = [f"{user}-{number}" for number in range(3)]
    for sid in ids:
        await wire.create(stub, sid, user_id=user)
    await stub.CompleteSession(pb.CompleteSessionRequest(session_id=ids[1]))
    return ids


async def cleanup(stub, user, **rest):
    """The last message, and all sessions that were cleaned, by id."""
    chosen = session_pb2.SessionFilter(user_id=user) if user else None
    messages = [
        one async for one in wire.messages(stub.CleanupSessions(tpb.CleanupSessionsRequest(filter=chosen, **rest)))
    ]
    assert [one.done for one in messages] == [False] * (len(messages) - 1) + [True]
    last = messages[-1]
    cleaned = {session.session_id: session for one in messages for session in one.sessions}
    assert (last.cleaned, last.skipped) == (len(cleaned), last.selected - len(cleaned))
    return last, cleaned


async def listed(stub, user):
    request = pb.ListSessionsRequest(
        filter=session_pb2.SessionFilter(user_id=user), consistency=search_pb2.CONSISTENCY_STRONG
    )
    return {session.id: session for session in (await stub.ListSessions(request)).sessions}


async def test_delete(stub, user, three):
    last, cleaned = await cleanup(stub, user)
    assert set(cleaned) == set(three)
    assert last.selected == 3
    assert cleaned[three[0]].status == ACTIVE
    assert cleaned[three[0]].tier == session_pb2.TIER_HOT
    for sid in three:
        failed = await wire.failure(wire.revision(stub, sid))
        wire.check(failed, "NOT_FOUND", "SESSION_DELETED")
    assert await listed(stub, user) == {}


async def test_only_say_what_would_be_done(stub, user, three):
    before = await listed(stub, user)
    _, cleaned = await cleanup(stub, user, dry_run=True)
    assert set(cleaned) == set(three)
    assert await listed(stub, user) == before


async def test_keep_the_newest(stub, user, three):
    await stub.WriteSession(wire.write(three[0]))
    _, cleaned = await cleanup(stub, user, keep_newest=1)
    assert set(cleaned) == set(three[1:])
    assert set(await listed(stub, user)) == {three[0]}


async def test_by_age(stub, user, three):
    _, cleaned = await cleanup(stub, user, older_than=Duration(seconds=3600))
    assert cleaned == {}
    await asyncio.sleep(0.02)
    _, cleaned = await cleanup(stub, user, older_than=Duration(nanos=10_000_000))
    assert set(cleaned) == set(three)


async def test_abandon(stub, user, three):
    last, cleaned = await cleanup(stub, user, action=tpb.CLEANUP_ACTION_ABANDON)
    assert set(cleaned) == {three[0], three[2]}
    assert last.skipped == 1
    assert [(await listed(stub, user))[sid].status == ABANDONED for sid in three] == [True, False, True]


async def test_archive_and_then_delete(stub, user, three):
    _, cleaned = await cleanup(stub, user, action=tpb.CLEANUP_ACTION_ARCHIVE)
    assert set(cleaned) == {three[1]}
    now = await listed(stub, user)
    assert now[three[1]].storage.tier == session_pb2.TIER_RECENT
    assert now[three[0]].storage.tier == session_pb2.TIER_HOT
    _, cleaned = await cleanup(stub, user)
    assert {sid: one.tier for sid, one in cleaned.items()} == {sid: one.storage.tier for sid, one in now.items()}
    assert await listed(stub, user) == {}


@pytest.mark.parametrize("action", [tpb.CLEANUP_ACTION_DELETE, tpb.CLEANUP_ACTION_ABANDON])
async def test_a_live_request_protects_its_session(stub, user, three, action):
    await stub.BeginRequest(pb.BeginRequestRequest(session_id=three[0], request_id="r"))
    _, cleaned = await cleanup(stub, user, action=action)
    assert three[0] not in cleaned
    assert (await listed(stub, user))[three[0]].status == ACTIVE
    await stub.FinishRequest(pb.FinishRequestRequest(session_id=three[0], request_id="r"))


@pytest.mark.parametrize("request_", [{}, {"keep_newest": -1}, {"older_than": Duration(seconds=-1)}, {"action": 9}])
async def test_what_is_refused(stub, request_):
    failed = await wire.watch_failure(stub.CleanupSessions(tpb.CleanupSessionsRequest(**request_)))
    wire.check(failed, "INVALID_ARGUMENT", "INVALID_FIELD")
