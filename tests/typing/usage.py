"""What a type checker knows about code that uses the SDK. Checked by mypy, never run."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, assert_type

import sojourn


async def sessions(client: sojourn.Client) -> None:
    session = await client.create_session(
        "qa-1", tags=["a"], state={"k": 1}, idle_timeout=timedelta(minutes=5), max_lifetime=60, if_exists="return"
    )
    assert_type(session, sojourn.SessionHandle)
    assert_type(await client.get_session("qa-1"), sojourn.SessionHandle)
    assert_type(await client.get_or_create_session("qa-1"), sojourn.SessionHandle)
    assert_type(client.session("qa-1"), sojourn.SessionHandle)
    assert_type(client.list_sessions(status="active"), sojourn.Results[sojourn.Session])
    assert_type(await client.delete_session("qa-1"), int)
    assert_type(session.info, sojourn.Session)
    assert_type(session.info.status, sojourn.SessionStatus)
    assert_type(session.info.state["k"], Any)
    assert_type(session.info.create_time, datetime)
    assert_type(session.info.counters.messages, int)
    assert_type(session.info.usage.total_tokens, int)
    assert_type(await session.refresh(), sojourn.Session)


async def finding(client: sojourn.Client, since: datetime) -> None:
    listed = client.list_sessions(
        user_id="ada",
        status=["active", sojourn.SessionStatus.FAILED],
        tags=["a"],
        metadata={"attempt": 3},
        tiers=sojourn.Tier.HOT,
        text="refund",
        created_after=since,
        consistency="eventual",
        limit=3,
    )
    iterator: AsyncIterator[sojourn.Session] = listed
    assert_type(await anext(iterator), sojourn.Session)
    assert_type(listed.lag, timedelta | None)
    assert_type(await client.count_sessions(project="qa", ended_before=since), int)
    async for found in client.search("refund", user_id="ada", sources=["message"], updated_after=since):
        assert_type(found, sojourn.FoundSession)
        assert_type(found.session, sojourn.Session)
        for fragment in found.fragments:
            assert_type(fragment, sojourn.Fragment)
            assert_type(fragment.source, sojourn.TextSource)
            assert_type(fragment.highlights, tuple[tuple[int, int], ...])
    async for call in client.invocations(
        tool="git", status="failed", running=True, started_after=since, min_duration=2, max_duration=timedelta(hours=1)
    ):
        assert_type(call, sojourn.Invocation)
        assert_type(call.session_id, str)
        assert_type(call.cost, float)
        assert_type(call.started_time, datetime | None)
    one = await client.get_invocation("qa-1", "call-3")
    assert_type(one, sojourn.FoundInvocation)
    assert_type(one.session, sojourn.Session)


async def writes(session: sojourn.SessionHandle) -> None:
    assert_type(await session.set_state({"k": 1}, expected_revision=3), int)
    assert_type(await session.add_message("user", "text", usage=sojourn.Usage(input_tokens=3)), int)
    assert_type(await session.record_invocation("git", duration=0.15, cost=Decimal("0.1")), int)
    assert_type(await session.record_step("login", status=sojourn.StepStatus.PASSED), int)
    assert_type(await session.complete(status="failed", error="why"), int)
    async with session.write(expected_revision=1) as write:
        assert_type(write, sojourn.Write)
        assert_type(write.start_invocation("git"), str)
    assert_type(write.revision, int | None)
    assert_type(write.result, sojourn.WriteResult | None)
    async with session.invocation("git", arguments={"a": 1}) as call:
        assert_type(call, sojourn.InvocationCall)
        call.result = {"any": "thing"}
        call.cost = 0.1


async def requests(client: sojourn.Client, session: sojourn.SessionHandle) -> None:
    async with session.track("plan", priority=3, policy="reject", timeout=timedelta(minutes=1)) as request:
        assert_type(request, sojourn.TrackedRequest)
        assert_type(request.session, sojourn.SessionHandle)
        assert_type(request.fencing_token, int)
        assert_type(request.queued_for, timedelta)
        assert_type(request.cancelled, sojourn.Signal)
        assert_type(await request.cancelled, str)
        assert_type(request.lost.reason, str)
        assert_type(bool(request.lost), bool)
        await request.progress(0.4, "half")
    pool = client.pool("browsers", session=session)
    assert_type(pool, sojourn.PoolHandle)
    async with pool.slot("checkout", on_cancel="flag") as request:
        assert_type(request.pool_slot, sojourn.PoolSlot | None)
    assert_type(await pool.resize(3), sojourn.Pool)
    assert_type(await pool.info(), sojourn.Pool)
    assert_type(await client.pools(), list[sojourn.Pool])
    assert_type(client.requests(state="queued"), AsyncIterator[sojourn.Request])
    async for found in session.requests(state=sojourn.RequestState.ADMITTED):
        assert_type(found.state, sojourn.RequestState)
        assert_type(await session.cancel_request(found.id, force=True), bool)
        assert_type(await client.cancel_request(session.id, found.id, reason="stuck"), bool)
    try:
        await session.log("late")
    except sojourn.LeaseLostError as error:
        assert_type(error.cause, str)
    except sojourn.RequestCancelledError as error:
        assert_type(error.cancel_reason, str)


async def artifacts(session: sojourn.SessionHandle) -> None:
    artifact = await session.put_artifact("home.png", b"...", phase="before", labels={"browser": "firefox"})
    assert_type(artifact, sojourn.Artifact)
    assert_type(artifact.reference(), dict[str, Any])
    await session.put_artifact("trace.zip", Path("trace.zip"), progress=lambda done, total: print(done, total))
    await session.put_artifact("run.log", (line.encode() for line in ["a", "b"]))
    assert_type(session.artifacts(content_type="image/*", newest_only=True), AsyncIterator[sojourn.Artifact])
    assert_type(await session.get_artifact("home.png", version=1), bytes)
    reader = session.open_artifact("trace.zip", offset=5, length=10)
    assert_type(reader, sojourn.ArtifactReader)
    async for piece in reader:
        assert_type(piece, bytes)
    assert_type(reader.artifact, sojourn.Artifact | None)
    assert_type(await session.download_artifact("trace.zip", "again.zip"), sojourn.Artifact)


async def insight(client: sojourn.Client, session: sojourn.SessionHandle) -> None:
    assert_type(await client.create_session(template="nightly"), sojourn.SessionHandle)
    assert_type(await client.create_template("nightly", state={"n": 1}, idle_timeout=60), sojourn.Template)
    async for template in client.templates(limit=3):
        assert_type(template, sojourn.Template)
    found = await client.compare("a", "b")
    assert_type(found.regressions, tuple[sojourn.StepComparison, ...])
    assert_type((await session.statistics(include_children=True)).roll_up, sojourn.Statistics | None)
    report = await client.statistics(project="p", period=timedelta(days=1), group_by="user")
    assert_type(report.buckets, tuple[sojourn.StatisticsBucket, ...])
    assert_type((await client.diagnose()).checks, tuple[sojourn.Check, ...])


async def lasting(client: sojourn.Client, session: sojourn.SessionHandle) -> None:
    assert_type(await session.save(), sojourn.Storage)
    assert_type(await session.resume(), bool)
    assert_type(await session.fork(at_revision=3), sojourn.SessionHandle)
    async for progress in client.cleanup(status="completed", older_than=timedelta(days=30), action="archive"):
        assert_type(progress.sessions, tuple[sojourn.CleanedSession, ...])


async def reads(client: sojourn.Client, session: sojourn.SessionHandle) -> None:
    async for event in session.events(after=0, kinds="custom", limit=3, reverse=True):
        assert_type(event, sojourn.Event)
        for change in event.changes:
            if isinstance(change, sojourn.MessageAppended):
                assert_type(change.content, str | None)
            elif change.kind is sojourn.ChangeKind.STATE_SET:
                assert_type(change.values, dict[str, Any])
    async for message in session.messages(limit=3):
        assert_type(message, sojourn.Message)
    async for invocation in session.invocations():
        assert_type(invocation.duration, timedelta | None)
    async with session.watch(after=event, kinds=[sojourn.ChangeKind.CUSTOM]) as watch:
        assert_type(watch, sojourn.SessionWatch)
        assert_type(watch.snapshot, sojourn.Session | None)
        async for event in watch:
            assert_type(event.revision, int)
    async for item in client.watch_sessions(tags=["a"]):
        assert_type(item, sojourn.Event | sojourn.SessionDeleted | sojourn.SessionArchived)
        assert_type(item.session_id, str)
        assert_type(item.changes, tuple[sojourn.Change, ...])
    async with sojourn.testing.server() as target:
        assert_type(target, str)
    try:
        await session.refresh()
    except sojourn.SessionDeletedError as error:
        assert_type(error.session_id, str)
        assert_type(error.revision, int)
    except sojourn.errors.UnavailableError as error:
        assert_type(error.retry_after, timedelta | None)
