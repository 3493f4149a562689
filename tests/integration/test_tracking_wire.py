"""Tracked streams on the wire: what each side says, and how a stream ends."""

import asyncio
import time

import pytest

from sojourn.v1 import event_pb2, request_pb2
from sojourn.v1 import session_service_pb2 as pb
from tests.support import wire
from tests.support.request_wire import Track, begin, end_of, live
from tests.support.waiting import wait_until
from tests.support.wire import check, create, failure, log_of, revision, write

CAUSE_LEFT = "its stream ended"


def changes(log):
    """The kinds of all changes of a log, in their order."""
    return [change.WhichOneof("kind") for event in log for change in event.changes]


async def ended(stub, sid, request_id, timeout=5.0):
    """Waits until the log says that the request ended: what it says, and which kind of change it is."""
    return await wait_until(lambda: _end(stub, sid, request_id), timeout=timeout, description=f"{request_id} ends")


async def _end(stub, sid, request_id):
    return end_of(await log_of(stub, sid), request_id)


async def told(track, condition, timeout=5.0):
    """Waits until one of the stream's answers meets the condition; that answer."""
    return await wait_until(
        lambda: next((answer for answer in track.answers if condition(answer)), None),
        timeout=timeout,
        description="the stream is told",
    )


async def test_a_request_that_needs_no_waiting(stub, sid):
    await create(stub, sid, user_id="u", project="p", state={"k": wire.value(1)})
    first = begin(sid, "a", name="plan", priority=3, lease=20, exclusive=True, snapshot=True, writer="me")
    async with Track(stub, first) as track:
        request = await track.admitted()
        assert (request.session_id, request.id, request.name, request.priority) == (sid, "a", "plan", 3)
        assert (request.user_id, request.project, request.exclusive) == ("u", "p", True)
        assert request.state == request_pb2.REQUEST_STATE_ADMITTED
        assert request.fencing_token > 0
        assert request.lease_ttl.seconds == 20
        assert request.lease_expire_time.ToMicroseconds() - request.admit_time.ToMicroseconds() == pytest.approx(
            20e6, abs=2000
        )
        admitted = track.of_kind("admitted")[0]
        assert (admitted.snapshot.state["k"], admitted.resumed) == (wire.value(1), False)
        assert admitted.snapshot.admitted_requests == 1
        await track.heartbeat()
        renewed = await track.wait_for("renewed")
        assert renewed.renewed.lease_expire_time.ToMicroseconds() >= request.lease_expire_time.ToMicroseconds()
        finished = await track.finish("FAILED", "no luck")
        assert finished.outcome == event_pb2.REQUEST_OUTCOME_FAILED
        assert await track.ended() is None
        assert track.kinds() == ["admitted", "renewed", "finished"]
    log = await log_of(stub, sid)
    assert changes(log) == ["session_created", "request_admitted", "request_finished"]
    assert log[-1].revision == finished.revision
    assert log[-1].changes[0].request_finished.error == "no luck"
    assert log[1].writer == "me"
    assert await live(stub, session_id=sid) == []


async def test_the_queue_moves_by_priority_and_then_by_arrival(stub, sid):
    await create(stub, sid, max_concurrent_requests=1)
    async with (
        Track(stub, begin(sid, "holder")) as holder,
        Track(stub, begin(sid, "late", priority=1)) as late,
    ):
        await holder.admitted()
        queued = (await late.wait_for("queued")).queued
        assert (queued.request_id, queued.position, queued.waiting_for) == ("late", 1, "requests_per_session")
        assert queued.lease_ttl.seconds == 15
        async with Track(stub, begin(sid, "urgent", priority=9)) as urgent:
            assert (await urgent.wait_for("queued")).queued.position == 1
            await told(late, lambda answer: answer.queued.position == 2)
            await holder.finish()
            await urgent.admitted()
            await told(late, lambda answer: answer.WhichOneof("message") == "queued" and answer is late.answers[-1])
            assert late.of_kind("queued")[-1].position == 1
            assert late.of_kind("admitted") == []
            await urgent.finish()
        tokens = [(await track.admitted()).fencing_token for track in (holder, urgent, late)]
        assert tokens == sorted(set(tokens))
        await late.finish()


async def test_a_stream_that_ends_without_finish_releases_within_a_second(stub, sid):
    await create(stub, sid, max_concurrent_requests=1)
    for how in ("cancelled", "half-closed"):
        async with (
            Track(stub, begin(sid, how)) as left,
            Track(stub, begin(sid, f"after {how}".replace(" ", "-"))) as then,
        ):
            await left.admitted()
            await then.wait_for("queued")
            started = time.monotonic()
            await (left.close() if how == "cancelled" else left.half_close())
            await then.admitted()
            assert 0.4 < time.monotonic() - started < 1.2
            assert (await _end(stub, sid, how))[0] == "request_lost"
            await then.finish()
    (lost, *_) = [
        change.request_lost for event in await log_of(stub, sid) for change in event.changes
        if change.WhichOneof("kind") == "request_lost"
    ]  # fmt: skip
    assert (lost.cause, lost.fencing_token > 0) == (CAUSE_LEFT, True)


async def test_a_queued_request_whose_stream_ends_leaves_the_queue(stub, sid):
    await create(stub, sid, max_concurrent_requests=1)
    async with Track(stub, begin(sid, "holder")) as holder:
        await holder.admitted()
        async with Track(stub, begin(sid, "waits")) as waits:
            await waits.wait_for("queued")
        assert (await ended(stub, sid, "waits"))[0] == "request_lost"
        await holder.finish()


async def test_a_stream_that_comes_back_in_time_resumes_its_request(stub, sid):
    await create(stub, sid)
    async with Track(stub, begin(sid, "a", name="first")) as first:
        request = await first.admitted()
    async with Track(stub, begin(sid, "a", name="ignored", resume=True)) as again:
        resumed = await again.admitted()
        assert again.of_kind("admitted")[0].resumed
        assert (resumed.fencing_token, resumed.name) == (request.fencing_token, "first")
        await asyncio.sleep(0.8)  # longer than the grace of the first stream
        assert [one.id for one in await live(stub, session_id=sid)] == ["a"]
        assert (await again.finish()).outcome == event_pb2.REQUEST_OUTCOME_SUCCEEDED
    assert changes(await log_of(stub, sid)) == ["session_created", "request_admitted", "request_finished"]


async def test_the_older_of_two_streams_is_superseded(stub, sid):
    await create(stub, sid)
    async with Track(stub, begin(sid, "a")) as older:
        await older.admitted()
        before = await revision(stub, sid)
        async with Track(stub, begin(sid, "a")) as newer:
            await newer.admitted()
            found = await older.ended()
            check(found, "ABORTED", "REQUEST_SUPERSEDED")
            assert found.metadata == {"session_id": sid, "request_id": "a"}
            assert await revision(stub, sid) == before
            await newer.finish()


async def test_a_cancelled_holder_is_told_and_decides_itself(stub, sid):
    await create(stub, sid)
    async with Track(stub, begin(sid, "a")) as track:
        await track.admitted()
        asked = await stub.CancelRequest(pb.CancelRequestRequest(session_id=sid, request_id="a", reason="enough"))
        assert (asked.ended, asked.revision) == (False, 3)
        assert (await track.wait_for("cancel_requested")).cancel_requested.reason == "enough"
        again = await stub.CancelRequest(pb.CancelRequestRequest(session_id=sid, request_id="a", reason="once more"))
        assert (again.ended, again.revision) == (False, 0)
        (request,) = await live(stub, session_id=sid)
        assert (request.cancel_requested, request.cancel_reason) == (True, "enough")
        assert (await track.finish("CANCELLED")).outcome == event_pb2.REQUEST_OUTCOME_CANCELLED


async def test_a_request_that_was_asked_to_stop_hears_it_when_it_comes_back(stub, sid):
    await create(stub, sid)
    async with Track(stub, begin(sid, "a")) as track:
        await track.admitted()
        await stub.CancelRequest(pb.CancelRequestRequest(session_id=sid, request_id="a", reason="enough"))
    async with Track(stub, begin(sid, "a", resume=True)) as again:
        assert (await again.wait_for("cancel_requested")).cancel_requested.reason == "enough"
        await again.finish("CANCELLED")


async def test_force_takes_the_lease_away(stub, sid):
    await create(stub, sid)
    async with Track(stub, begin(sid, "a")) as track:
        token = (await track.admitted()).fencing_token
        asked = await stub.CancelRequest(
            pb.CancelRequestRequest(session_id=sid, request_id="a", reason="stuck", force=True)
        )
        assert asked.ended
        found = await track.ended()
        check(found, "ABORTED", "LEASE_LOST")
        assert found.metadata == {"session_id": sid, "request_id": "a", "cause": "stuck"}
        assert track.kinds() == ["admitted", "lease_lost"]
        assert track.of_kind("lease_lost")[0].reason == "stuck"
        refused = await failure(stub.WriteSession(write(sid, fencing_token=token)))
        check(refused, "FAILED_PRECONDITION", "FENCING_TOKEN_REJECTED")


async def test_a_queued_request_that_is_cancelled_ends(stub, sid):
    await create(stub, sid, max_concurrent_requests=1)
    async with Track(stub, begin(sid, "holder")) as holder, Track(stub, begin(sid, "b")) as track:
        await holder.admitted()
        await track.wait_for("queued")
        asked = await stub.CancelRequest(pb.CancelRequestRequest(session_id=sid, request_id="b", reason="not needed"))
        assert asked.ended
        found = await track.ended()
        check(found, "FAILED_PRECONDITION", "REQUEST_ENDED")
        assert (found.metadata["outcome"], found.metadata["error"]) == ("CANCELLED", "not needed")
        assert await revision(stub, sid) == asked.revision


async def test_silence_costs_the_lease_and_nothing_earlier_does(stub, sid):
    await create(stub, sid, max_concurrent_requests=1)
    async with Track(stub, begin(sid, "silent", lease=1)) as silent, Track(stub, begin(sid, "next"), beat=1) as then:
        admitted = await silent.admitted()
        await then.wait_for("queued")
        found = await silent.ended(timeout=10)
        check(found, "ABORTED", "LEASE_LOST")
        assert found.metadata["cause"] == "its lease ran out"
        promoted = await then.admitted()
        early = promoted.admit_time.ToMicroseconds() - admitted.lease_expire_time.ToMicroseconds()
        assert 0 <= early < 4_000_000
        await then.finish()


async def test_heartbeats_and_progress_keep_the_lease(stub, sid):
    await create(stub, sid)
    async with Track(stub, begin(sid, "a", lease=1), beat=0.3) as track:
        await track.admitted()
        await asyncio.sleep(2.5)
        track.still()
        for step in range(8):
            await track.progress(step / 10)
            await asyncio.sleep(0.3)
        assert (await track.finish()).outcome == event_pb2.REQUEST_OUTCOME_SUCCEEDED


async def test_progress_is_told_at_a_bearable_rate_and_the_last_always(stub, sid):
    await create(stub, sid)
    started = time.monotonic()
    async with Track(stub, begin(sid, "a")) as track:
        await track.admitted()
        for step in range(200):
            await track.progress(step / 200, f"step {step}")
            await asyncio.sleep(0.005)
        took = time.monotonic() - started
        await told(track, lambda answer: answer.WhichOneof("message") == "renewed")

        async def last_told():
            (request,) = await live(stub, session_id=sid)
            return request.progress_text == "step 199" and request

        request = await wait_until(last_told, description="the last progress is told")
        assert request.progress == 199 / 200
        await track.finish()
    told_steps = [
        change.request_progressed for event in await log_of(stub, sid) for change in event.changes
        if change.WhichOneof("kind") == "request_progressed"
    ]  # fmt: skip
    assert 2 <= len(told_steps) <= 3 + took / 0.5
    assert told_steps[0].text == "step 0"
    assert told_steps[-1].text == "step 199"
    assert [step.fraction for step in told_steps] == sorted({step.fraction for step in told_steps})


async def test_progress_just_before_the_end_is_in_the_log(stub, sid):
    await create(stub, sid)
    async with Track(stub, begin(sid, "a")) as track:
        await track.admitted()
        for step in range(5):
            await track.progress(step / 5, f"step {step}")
        await track.finish()
    last = (await log_of(stub, sid))[-1]
    assert [change.WhichOneof("kind") for change in last.changes] == ["request_progressed", "request_finished"]
    assert last.changes[0].request_progressed.text == "step 4"


async def test_interrupt_asks_the_holder_and_goes_first(stub, sid):
    await create(stub, sid, max_concurrent_requests=1)
    async with (
        Track(stub, begin(sid, "holder")) as holder,
        Track(stub, begin(sid, "urgent", priority=9)) as urgent,
    ):
        await holder.admitted()
        await urgent.wait_for("queued")
        async with Track(stub, begin(sid, "boss", policy="INTERRUPT")) as boss:
            assert (await boss.wait_for("queued")).queued.position == 1
            assert (await holder.wait_for("cancel_requested")).cancel_requested.reason == "interrupted by boss"
            await holder.finish("CANCELLED")
            await boss.admitted()
            await boss.finish()
        await urgent.admitted()
        await urgent.finish()


async def test_replace_queued_ends_those_that_wait(stub, sid):
    await create(stub, sid, max_concurrent_requests=1)
    async with Track(stub, begin(sid, "holder")) as holder, Track(stub, begin(sid, "old")) as old:
        await holder.admitted()
        await old.wait_for("queued")
        async with Track(stub, begin(sid, "new", policy="REPLACE_QUEUED")) as new:
            await new.wait_for("queued")
            found = await old.ended()
            check(found, "FAILED_PRECONDITION", "REQUEST_ENDED")
            assert found.metadata["error"] == "replaced by new"
            await holder.finish()
            await new.admitted()
            await new.finish()


async def test_a_queue_timeout_ends_the_stream(stub, sid):
    await create(stub, sid, max_concurrent_requests=1)
    async with Track(stub, begin(sid, "holder")) as holder:
        await holder.admitted()
        started = time.monotonic()
        async with Track(stub, begin(sid, "b", queue_timeout=0.5)) as track:
            found = await track.ended()
            assert 0.4 < time.monotonic() - started < 1.5
            check(found, "RESOURCE_EXHAUSTED", "QUEUE_TIMEOUT")
            assert found.metadata == {"session_id": sid, "request_id": "b"}
        assert (await _end(stub, sid, "b"))[0] == "request_finished"
        await holder.finish()


async def test_the_end_of_a_session_ends_its_queue_and_spares_its_holders(stub, sid):
    await create(stub, sid, max_concurrent_requests=1)
    async with Track(stub, begin(sid, "holder")) as holder, Track(stub, begin(sid, "b")) as track:
        await holder.admitted()
        await track.wait_for("queued")
        await stub.CompleteSession(pb.CompleteSessionRequest(session_id=sid))
        found = await track.ended()
        check(found, "FAILED_PRECONDITION", "REQUEST_ENDED")
        assert found.metadata["error"] == "the session ended"
        assert (await holder.finish()).outcome == event_pb2.REQUEST_OUTCOME_SUCCEEDED


async def test_a_deleted_session_ends_its_streams(stub, sid):
    await create(stub, sid, max_concurrent_requests=1)
    async with Track(stub, begin(sid, "holder")) as holder, Track(stub, begin(sid, "b")) as track:
        await holder.admitted()
        await track.wait_for("queued")
        await stub.DeleteSession(pb.DeleteSessionRequest(session_id=sid))
        for one in (holder, track):
            check(await one.ended(), "NOT_FOUND", "SESSION_DELETED")


async def test_an_open_invocation_is_closed_with_its_request(stub, sid):
    await create(stub, sid)
    started = event_pb2.InvocationStarted(invocation_id="i", tool="git", request_id="a")
    async with Track(stub, begin(sid, "a")) as track:
        await track.admitted()
        await stub.WriteSession(write(sid, event_pb2.Change(invocation_started=started)))
        await track.finish()
    last = (await log_of(stub, sid))[-1]
    assert [change.WhichOneof("kind") for change in last.changes] == ["invocation_finished", "request_finished"]
    assert last.changes[0].invocation_finished.status == event_pb2.INVOCATION_STATUS_INTERRUPTED
    late = event_pb2.InvocationStarted(invocation_id="j", tool="git", request_id="a")
    refused = await failure(stub.WriteSession(write(sid, event_pb2.Change(invocation_started=late))))
    check(refused, "FAILED_PRECONDITION", "REQUEST_NOT_ADMITTED")
    assert refused.metadata == {"session_id": sid, "request_id": "a", "revision": str(last.revision)}


async def test_streams_share_one_connection_by_the_hundred(stub, sid):
    """What happens to one of many requests of a session reaches its own stream."""
    await create(stub, sid, max_concurrent_requests=60)
    tracks = [Track(stub, begin(sid, f"r{number}")) for number in range(120)]
    for track in tracks:
        await track.__aenter__()
    try:
        await wait_until(lambda: all(track.kinds() for track in tracks))
        holders = [track for track in tracks if track.of_kind("admitted")]
        waiting = [track for track in tracks if track not in holders]
        assert len(holders) == 60
        await asyncio.gather(*(track.finish() for track in holders))
        await asyncio.gather(*(track.admitted() for track in waiting))
        await asyncio.gather(*(track.finish() for track in waiting))
        assert {track.failure for track in tracks} == {None}
    finally:
        for track in tracks:
            await track.close()
