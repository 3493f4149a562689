"""What requests mean for writes, invocations, progress and the log."""

import asyncio

import pytest

from sojourn.v1 import event_pb2
from sojourn_server.domain.changes import ChangeKind, kind_mask
from sojourn_server.domain.errors import ConflictError, SojournError
from sojourn_server.domain.requests import RequestState, ScopeKind
from tests.support.requests import Clerk, note, passed, started, succeeded
from tests.support.sessions import revisions, take
from tests.support.waiting import wait_until


async def refused(clerk: Clerk, *changes, **precondition) -> ConflictError:
    """The refusal of a write, which must have left everything as it was."""
    before = await clerk.desk.get()
    with pytest.raises(ConflictError) as raised:
        await clerk.write(*changes, **precondition)
    assert await clerk.desk.get() == before
    return raised.value


ENDS = {
    "finish": lambda clerk: clerk.finish("a"),
    "detach": lambda clerk: clerk.detach("a"),
    "force": lambda clerk: clerk.cancel("a", force=True),
    "lose": lambda clerk: clerk.lose_soon("a"),
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_token_is_good_until_its_request_ends(clerk, end):
    await clerk.create(limit=1)
    token = (await clerk.admitted("a", lease_ms=300 if end == "lose" else 60_000)).token
    await clerk.queued("b")
    await clerk.write(note(), fencing_token=token)
    assert (await clerk.begin("a", resume=True)).resumed
    await clerk.write(note(), fencing_token=token)
    for wrong in (token - 1, token + 1, 0):
        assert (await refused(clerk, note(), fencing_token=wrong)).reason == "FENCING_TOKEN_REJECTED"
    await ENDS[end](clerk) if end != "detach" else await clerk.detach("a", 2)
    error = await refused(clerk, note(), fencing_token=token)
    assert (error.reason, error.metadata["fencing_token"]) == ("FENCING_TOKEN_REJECTED", str(token))
    await clerk.write(note(), fencing_token=(await clerk.get("b")).token)
    await clerk.write(note())


async def test_a_token_is_good_while_somebody_asks_its_holder_to_stop(clerk):
    await clerk.create(limit=1)
    token = (await clerk.admitted("a")).token
    await clerk.cancel("a")
    await clerk.queued("b", policy="INTERRUPT")
    await clerk.write(note(), fencing_token=token)


async def test_the_token_of_a_session_does_not_count_in_another(clerk):
    await clerk.create("s")
    await clerk.create("t")
    token = (await clerk.admitted("a", sid="s")).token
    with pytest.raises(ConflictError):
        await clerk.write(note(), sid="t", fencing_token=token)


async def test_tokens_grow_for_ever(clerk, desk):
    """Through ends, losses, and the deletion of the session."""
    tokens = []
    for _ in range(3):
        await clerk.create(limit=2)
        for end in ENDS.values():
            tokens.append((await clerk.admitted("a", lease_ms=5)).token)
            tokens.append((await clerk.admitted("b")).token)
            await end(clerk)
            await clerk.finish("b")
        await clerk.check()
        await desk.delete()
    assert tokens == sorted(set(tokens))


async def test_tokens_of_one_step_differ(clerk):
    await clerk.create()
    await clerk.admitted("alone", exclusive=True)
    for rid in "abcdef":
        await clerk.queued(rid)
    await clerk.finish("alone")
    assert (await clerk.news())[-1] == ["finished alone SUCCEEDED", *(f"admitted {rid}" for rid in "abcdef")]
    tokens = [one.token for one in await clerk.live()]
    assert len(set(tokens)) == 6
    assert tokens == sorted(tokens)


async def test_tokens_grow_even_where_the_clock_does_not(clerk, engine, desk):
    """A store whose clock went back gives the number after the last one."""
    await clerk.create()
    ahead = (await clerk.admitted("a")).token + 10**12
    await engine.at_owner("HSET", desk.keys().head, "fence", ahead)
    assert (await clerk.admitted("b")).token == ahead + 1
    assert (await clerk.admitted("c")).token == ahead + 2


@pytest.mark.parametrize("end", ENDS)
async def test_open_invocations_are_closed_with_their_request(clerk, end):
    await clerk.create(limit=1)
    await clerk.admitted("a", lease_ms=300 if end == "lose" else 60_000)
    await clerk.queued("b")
    await clerk.write(started("i1", "a", "git"), started("i2", "a", "git"), started("free", ""))
    await clerk.write(succeeded("i1"))
    assert (await clerk.desk.get()).counters["open_invocations"] == 2
    await clerk.news()
    await ENDS[end](clerk)
    [[interrupted, left, admitted]] = await clerk.news()
    assert (interrupted, admitted) == ("INTERRUPTED i2", "admitted b")
    assert left.split()[:2] in (["finished", "a"], ["lost", "a:"])
    finished = clerk.event().changes[0].invocation_finished
    assert (finished.invocation_id, finished.tool) == ("i2", "git")
    assert finished.status == event_pb2.INVOCATION_STATUS_INTERRUPTED
    assert finished.error != ""
    session = await clerk.desk.get()
    assert (session.counters["failed_invocations"], session.counters["open_invocations"]) == (1, 1)
    assert session.counters["invocations"] == 3


async def test_only_the_invocations_of_the_one_that_ends_are_closed(clerk):
    await clerk.create()
    for rid in ("a", "aa", "b"):
        await clerk.admitted(rid)
        await clerk.write(started(f"i-{rid}", rid))
    await clerk.finish("a")
    assert (await clerk.news())[-1] == ["INTERRUPTED i-a", "finished a SUCCEEDED"]
    await clerk.finish("aa")
    await clerk.finish("b")
    assert "open_invocations" not in (await clerk.desk.get()).counters


async def test_a_result_that_comes_too_late_does_not_open_it_again(clerk):
    await clerk.create()
    await clerk.admitted("a")
    await clerk.write(started("i", "a"))
    await clerk.finish("a")
    await clerk.write(succeeded("i"))
    assert (await clerk.desk.get()).counters == {"invocations": 1, "failed_invocations": 1}


async def test_many_invocations_are_closed_in_one_event(clerk):
    await clerk.create()
    await clerk.admitted("a")
    await clerk.write(*(started(f"i{n}", "a", f"tool-{n % 7}") for n in range(300)))
    await clerk.finish("a")
    assert len((await clerk.news())[-1]) == 301
    assert (await clerk.desk.get()).counters == {"invocations": 300, "failed_invocations": 300}


async def test_bytes_of_the_session_are_those_before_its_invocations(clerk, engine, desk):
    await clerk.create(state={"k": b"1"})
    before = await engine.at_owner("HGET", desk.keys().head, "bytes")
    await clerk.admitted("a")
    await clerk.write(started("i", "a", "ütool"))
    await clerk.finish("a")
    after = int(await engine.at_owner("HGET", desk.keys().head, "bytes"))
    assert after == int(before) + len("u:ütool".encode())


async def test_an_invocation_begins_only_under_an_admitted_request(clerk):
    await clerk.create(limit=2, project="p")
    await clerk.admitted("a")
    await clerk.begin("b", wide=(ScopeKind.PROJECT,))
    await clerk.queued("c")
    await clerk.write(started("i", "a"))
    for rid in ("b", "c", "never"):
        error = await refused(clerk, note(), started("j", rid))
        assert error.reason == "REQUEST_NOT_ADMITTED"
        assert (error.metadata["request_id"], error.metadata["session_id"]) == (rid, "s")
        assert "revision" in error.metadata
    await clerk.store.admit(clerk.key("b"), None)
    await clerk.write(started("j", "b"))
    await clerk.finish("a")
    assert (await refused(clerk, started("k", "a"))).reason == "REQUEST_NOT_ADMITTED"
    await clerk.write(started("k", "c"))


async def test_a_whole_invocation_is_written_only_under_an_admitted_request(clerk):
    """Started and finished in one write: a late holder does not slip through."""
    await clerk.create()
    await clerk.admitted("a")
    await clerk.write(started("i", "a"), succeeded("i"))
    await clerk.finish("a")
    assert (await refused(clerk, started("j", "a"), succeeded("j"))).reason == "REQUEST_NOT_ADMITTED"


async def test_progress_is_an_event_and_then_a_note(clerk):
    await clerk.create()
    await clerk.admitted("a", writer="w")
    await clerk.news()
    progress = clerk.store.progress
    assert await progress(clerk.key(), 0.25, "first", interval_ms=60_000) == 0
    assert await clerk.news() == [["progressed a 0.25 first"]]
    assert clerk.event().writer == "w"
    for fraction, text in ((0.5, "second"), (0.75, "third")):
        wait = await progress(clerk.key(), fraction, text, interval_ms=60_000)
        assert 59_000 < wait <= 60_000
    assert await clerk.news() == []
    told = await clerk.get("a")
    assert (told.fraction, told.progress_text) == (0.75, "third")
    await clerk.finish("a")
    assert await clerk.news() == [["progressed a 0.75 third", "finished a SUCCEEDED"]]


async def test_a_note_becomes_an_event_when_its_time_has_come(clerk):
    await clerk.create()
    await clerk.admitted("a")
    await clerk.store.progress(clerk.key(), 0.1, "first", interval_ms=50)
    wait = await clerk.store.progress(clerk.key(), 0.2, "second", interval_ms=50)
    if wait:
        assert wait <= 50
        await passed((await clerk.desk.get()).updated_us + 50_000)
        assert await clerk.store.progress(clerk.key(), 0.2, "second", interval_ms=50) == 0
    assert (await clerk.news())[-2:] == [["progressed a 0.1 first"], ["progressed a 0.2 second"]]
    await clerk.finish("a")
    assert await clerk.news() == [["finished a SUCCEEDED"]]  # nothing is told twice


@pytest.mark.parametrize("end", ENDS)
async def test_the_last_note_is_told_however_it_ends(clerk, end):
    await clerk.create()
    await clerk.admitted("a", lease_ms=300 if end == "lose" else 60_000)
    await clerk.write(started("i", "a"))
    await clerk.store.progress(clerk.key(), 0.1, "first", interval_ms=60_000)
    await clerk.store.progress(clerk.key(), 0.9, "last ü", interval_ms=60_000)
    await ENDS[end](clerk)
    last = (await clerk.news())[-1]
    assert sorted(last[:2]) == ["INTERRUPTED i", "progressed a 0.9 last ü"]
    assert last[2].split()[0] in ("finished", "lost")


@pytest.mark.parametrize(
    ("fraction", "text"), [(0.0, ""), (1.0, ""), (1 / 3, "a\nb\0c"), (0.5, "é" * 500), (5e-324, "\n")]
)
async def test_progress_is_kept_to_the_bit(clerk, fraction, text):
    await clerk.create()
    await clerk.admitted("a")
    for _ in range(2):  # as an event, and as a note
        await clerk.store.progress(clerk.key(), fraction, text, interval_ms=60_000)
        for told in (await clerk.get(), (await clerk.live())[0]):
            assert (told.fraction, told.progress_text) == (fraction, text)
    await clerk.finish()
    await clerk.news()
    assert clerk.event().changes[0].request_progressed == event_pb2.RequestProgressed(
        request_id="a", fraction=fraction, text=text
    )


async def test_progress_of_one_that_does_not_work(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("a")
    await clerk.queued("b")
    before = await clerk.desk.get()
    for rid, reason in (("b", "REQUEST_NOT_ADMITTED"), ("never", "REQUEST_NOT_FOUND")):
        with pytest.raises(SojournError) as raised:
            await clerk.store.progress(clerk.key(rid), 0.5, "", interval_ms=0)
        assert raised.value.reason == reason
    assert await clerk.desk.get() == before
    await clerk.finish("b")
    await clerk.finish("a")
    with pytest.raises(SojournError) as raised:
        await clerk.store.progress(clerk.key("a"), 0.5, "", interval_ms=0)
    assert raised.value.reason == "REQUEST_ENDED"


async def test_chatty_requests_do_not_flood_the_log(clerk):
    await clerk.create()
    await clerk.admitted("a")
    await clerk.admitted("b")
    for n in range(50):
        for rid in "ab":
            await clerk.store.progress(clerk.key(rid), n / 50, str(n), interval_ms=60_000)
    assert await clerk.news() == [["admitted a"], ["admitted b"], ["progressed a 0 0"], ["progressed b 0 0"]]
    assert [one.progress_text for one in await clerk.live()] == ["49", "49"]


async def test_long_and_strange_texts_travel_whole(clerk):
    """Names and reasons are the caller's; whatever is in them is in the event."""
    await clerk.create(limit=1, user_id="ü ser|/", project="pro|ject")
    name, why = "näme |" * 20, "why\n\n|é\0" * 2000
    await clerk.begin("a", name=name)
    await clerk.begin("b", name=name)
    await clerk.cancel("a", why)
    assert (await clerk.get("a")).cancel_reason == why
    await clerk.finish("a", "FAILED", why)
    await clerk.news()
    finished, admitted = clerk.event().changes
    assert finished.request_finished.error == why
    assert admitted.request_admitted.name == name
    assert (await clerk.finish("a")).ended.error == why
    request = await clerk.get("b")
    assert (request.name, request.user_id, request.project) == (name, "ü ser|/", "pro|ject")


@pytest.mark.parametrize("rid", ["0", "a.b", "x-y", "A@b=c+d~e_f", "r" * 128])
async def test_ids_of_every_kind(clerk, rid):
    await clerk.create(limit=1)
    await clerk.admitted("holder")
    await clerk.queued(rid, queue_ms=60_000)
    assert await clerk.queue() == [rid]
    await clerk.finish("holder")
    await clerk.write(started("i", rid))
    await clerk.finish(rid)
    assert (await clerk.news())[-1] == ["INTERRUPTED i", f"finished {rid} SUCCEEDED"]


async def test_watchers_see_every_step_once(clerk, desk):
    await clerk.create(limit=1)
    async with desk.watch(1) as (_, tap):
        await clerk.admitted("a")
        await clerk.queued("b")
        await clerk.cancel("a")
        await clerk.finish("a")
        assert revisions(await take(tap, 4)) == [2, 3, 4, 5]


async def test_filters_find_requests_by_the_kinds_of_their_changes(clerk, desk):
    await clerk.create(limit=1)
    await clerk.admitted("a")
    await clerk.queued("b")
    await clerk.cancel("a")
    await clerk.write(started("i", "a"))
    await clerk.finish("a")
    for kinds, found in (
        ({ChangeKind.REQUEST_ADMITTED}, [2, 6]),
        ({ChangeKind.REQUEST_QUEUED}, [3]),
        ({ChangeKind.REQUEST_CANCEL_REQUESTED}, [4]),
        ({ChangeKind.INVOCATION_FINISHED}, [6]),
        ({ChangeKind.REQUEST_FINISHED, ChangeKind.REQUEST_LOST}, [6]),
        ({ChangeKind.REQUEST_PROGRESSED}, []),
    ):
        assert revisions((await desk.events(mask=kind_mask(kinds))).events) == found


async def test_the_outbox_and_the_shards_log_are_told(clerk, desk, engine):
    await clerk.create()
    keys = desk.keys()
    await engine.at_owner("ZREM", keys.shard.dirty, keys.member)
    await engine.at_owner("HDEL", keys.head, "dirty")
    await clerk.admitted("a")
    assert await engine.at_owner("ZSCORE", keys.shard.dirty, keys.member) is not None
    newest = await engine.at_owner("XREVRANGE", keys.shard.log, "+", "-", "COUNT", 1)
    assert (newest[0][1]["s"], newest[0][1]["r"]) == (keys.member, "2")


async def test_reading_changes_nothing(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("a")
    await clerk.queued("b")
    revision = (await clerk.desk.get()).revision
    await clerk.live()
    await clerk.get("a")
    await clerk.store.of_tenant(clerk.desk.tenant)
    await clerk.store.renew(await clerk.live())
    assert (await clerk.desk.get()).revision == revision


async def test_a_crowd_keeps_the_limit(clerk, open_another):
    """Many callers at two workers; the replayed log says that the limit held at every event."""
    await clerk.create(limit=3)
    other = clerk.at(await open_another())

    async def life(n: int) -> None:
        one = (clerk, other)[n % 2]
        await one.begin(f"r{n}", priority=n % 10, exclusive=n % 7 == 0, policy="INTERRUPT" if n % 11 == 0 else "QUEUE")

        async def mine() -> bool:
            return (await one.get(f"r{n}")).state is RequestState.ADMITTED

        await wait_until(mine, timeout=30)
        await one.write(note(str(n)), fencing_token=(await one.get(f"r{n}")).token)
        await one.finish(f"r{n}")

    await asyncio.gather(*(life(n) for n in range(40)))
    await clerk.check()
    assert len(clerk.logs["s"].tokens) == 40
    assert await clerk.live() == []
