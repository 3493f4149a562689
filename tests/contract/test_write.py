"""Writing: one write, one revision, all or nothing."""

import asyncio

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import ConflictError, NotFoundError
from sojourn_server.domain.events import Durability
from sojourn_server.domain.session import SessionStatus, StepStatus, StepSummary
from tests.support.sessions import committed

INT64_MAX = 2**63 - 1


async def test_every_kind_of_change_shows_in_the_head(desk):
    await desk.create(state={"gone": b"1", "n": b"40"}, tags=("old",), metadata={"gone": b"1"})
    usage = ch.Usage(input_tokens=3, output_tokens=4, cost_micros=5)
    result = await desk.write(
        ch.StateSet({"a": b'"x"', "b": b"[]"}),
        ch.StateDeleted(("gone",)),
        ch.StateIncremented("n", 2),
        ch.MessageAppended(ch.MessageRole.USER, usage=usage),
        ch.InvocationStarted("i1", "git"),
        ch.InvocationStarted("i2", "git"),
        ch.InvocationFinished("i1", ch.InvocationStatus.FAILED, usage),
        ch.StepFinished("login", 2, StepStatus.PASSED, 1500),
        ch.ResultSet("answer", b"42"),
        ch.ArtifactAttached("home.png"),
        ch.LogAppended(),
        ch.InfoUpdated("new purpose", ("new",), ("old",), {"m": b"2"}, ("gone",)),
        ch.Custom("acme"),
    )
    session = await desk.get()
    assert session.revision == result.revision == 2
    assert session.state == {"a": b'"x"', "b": b"[]", "n": b"42"}
    assert session.counters == {
        "messages": 1, "invocations": 2, "failed_invocations": 1, "open_invocations": 1, "steps": 1, "artifacts": 1,
        "logs": 1,
    }  # fmt: skip
    assert session.usage == {"input_tokens": 6, "output_tokens": 8, "total_tokens": 14, "cost_micros": 10}
    assert session.tools == {"git": 2}
    assert session.steps == {"login": StepSummary(2, StepStatus.PASSED, 1500)}
    assert session.results == {"answer": b"42"}
    assert (session.purpose, session.tags, session.metadata) == ("new purpose", ["new"], {"m": b"2"})
    assert session.updated_us == result.commit_us


async def test_one_write_is_one_event_with_all_its_kinds(desk):
    await desk.create()
    result = await desk.write(ch.StateSet({"a": b"1"}), ch.LogAppended(), body=b"both")
    event = (await desk.events(after=1)).events[0]
    assert (event.revision, event.body, event.commit_us) == (2, b"both", result.commit_us)
    assert event.mask == ch.kind_mask([ch.ChangeKind.STATE_SET, ch.ChangeKind.LOG_APPENDED])
    assert event.cursor == result.cursor


async def test_bodies_are_bytes_of_any_kind_and_size(desk):
    await desk.create()
    bodies = [bytes(range(256)), b"\n|\n", b"D", b"x" * (3 << 20)]
    for body in bodies:
        await desk.write(ch.LogAppended(), body=body)
    assert [event.body for event in (await desk.events(after=1)).events] == bodies


async def test_values_are_bytes_of_any_kind_and_size(desk):
    await desk.create()
    values = {"nul\x7f": b'"\\u0000"', "ütf ☃": '"ü☃"'.encode(), "s:s:": b"null", "big": b'"' + b"x" * (1 << 20) + b'"'}
    await desk.write(ch.StateSet(values))
    assert (await desk.get()).state == values


async def test_ten_thousand_fields_in_one_write(desk):
    await desk.create()
    values = {f"k{n}": b"%d" % n for n in range(10_000)}
    await desk.write(ch.StateSet(values))
    assert (await desk.get()).state == values
    assert (await desk.get(full=False)).state == {}
    await desk.write(ch.StateDeleted(tuple(values)))
    assert (await desk.get()).state == {}


async def test_concurrent_writers_get_each_revision_once(desk, open_another):
    second = type(desk)(await open_another(), desk.tenant)
    await desk.create(state={"n": b"0"})
    both = [desk, second] * 100
    results = await asyncio.gather(*(one.write(ch.StateIncremented("n", 1)) for one in both))
    assert sorted(result.revision for result in results) == list(range(2, 202))
    session = await desk.get()
    assert (session.revision, session.state["n"]) == (201, b"200")
    events = (await desk.events(count=1000)).events
    assert [event.revision for event in events] == list(range(1, 202))
    by_revision = sorted(results, key=lambda result: result.revision)
    times = [result.commit_us for result in by_revision]
    assert times == [event.commit_us for event in events[1:]]
    assert times == sorted(times)


async def test_a_batch_keeps_the_order_within_a_session_and_the_errors_of_items(desk):
    for sid in ("a", "b"):
        await desk.create(sid)
    writes = [
        desk.writing(ch.LogAppended(), sid="a", body=b"a1"),
        desk.writing(ch.LogAppended(), sid="nobody"),
        desk.writing(ch.LogAppended(), sid="b", body=b"b1"),
        desk.writing(ch.LogAppended(), sid="a", body=b"refused", expected_revision=77),
        desk.writing(ch.LogAppended(), sid="a", body=b"a2"),
    ]
    first, missing, other, conflict, last = await desk.store.active.write_many(writes)
    assert (committed(first).revision, committed(last).revision, committed(other).revision) == (2, 3, 2)
    assert isinstance(missing, NotFoundError)
    assert isinstance(conflict, ConflictError)
    assert [event.body for event in (await desk.events("a", after=1)).events] == [b"a1", b"a2"]
    assert [event.body for event in (await desk.events("b", after=1)).events] == [b"b1"]


async def test_an_empty_batch(desk):
    assert await desk.store.active.write_many([]) == []


@pytest.mark.parametrize(
    ("bad", "reason", "key"),
    [
        (ch.StateIncremented("text", 1), "NOT_AN_INTEGER", "text"),
        (ch.StateIncremented("float", 1), "NOT_AN_INTEGER", "float"),
        (ch.StateIncremented("huge", 1), "NOT_AN_INTEGER", "huge"),
        (ch.StateIncremented("most", 1), "INTEGER_OVERFLOW", "most"),
        (ch.StateIncremented("least", -1), "INTEGER_OVERFLOW", "least"),
    ],
)
async def test_an_increment_that_fails_undoes_the_whole_write(desk, bad, reason, key):
    state = {
        "text": b'"1"', "float": b"1.5", "huge": b"9" * 30, "most": b"%d" % INT64_MAX, "least": b"%d" % -(2**63),
        "n": b"5", "gone?": b"1",
    }  # fmt: skip
    await desk.create(state=state, purpose="old")
    before = await desk.get()
    with pytest.raises(ConflictError) as raised:
        await desk.write(
            ch.StateIncremented("n", 3), ch.StateIncremented("fresh", 1), bad, ch.StateIncremented("after", 1),
            ch.StateSet({"set": b"1"}), ch.StateDeleted(("gone?",)), ch.LogAppended(), ch.InfoUpdated("new"),
            ch.StatusChanged(SessionStatus.FAILED, "x"),
        )  # fmt: skip
    assert raised.value.reason == reason
    assert raised.value.metadata == {"session_id": "s", "revision": "1", "key": key}
    assert await desk.get() == before
    assert (await desk.events()).head.revision == 1
    assert (await desk.write(ch.StateIncremented("n", 1))).revision == 2
    assert (await desk.get()).state["n"] == b"6"


async def test_increments_reach_both_ends_of_64_bits(desk):
    await desk.create()
    await desk.write(ch.StateIncremented("up", INT64_MAX), ch.StateIncremented("down", -INT64_MAX))
    await desk.write(ch.StateIncremented("down", -1))
    assert (await desk.get()).state == {"up": b"%d" % INT64_MAX, "down": b"%d" % -(2**63)}


async def test_ending_a_session(desk):
    await desk.create()
    ended = await desk.write(ch.StatusChanged(SessionStatus.FAILED, "out of coffee"))
    session = await desk.get()
    assert (session.status, session.error, session.ended_us) == (
        SessionStatus.FAILED, "out of coffee", ended.commit_us
    )  # fmt: skip


async def test_due_times_follow_the_session(desk, engine):
    keys = desk.keys()

    async def due() -> float | None:
        return await engine.at_owner("ZSCORE", keys.shard.due, keys.member)

    created = await desk.create(idle_timeout_ms=60_000, max_lifetime_ms=61_000)
    assert await due() == pytest.approx(created.commit_us // 1000 + 60_000, abs=1)
    await desk.create("forever")
    written = await desk.write(ch.LogAppended())
    expected = min(written.commit_us // 1000 + 60_000, created.commit_us // 1000 + 61_000)
    assert await due() == pytest.approx(expected, abs=1)
    assert (await desk.get()).expires_us // 1000 == pytest.approx(expected, abs=1)
    await desk.write(ch.StatusChanged(SessionStatus.COMPLETED))
    assert await due() is None


async def test_the_level_of_durability_is_what_the_engine_gives(store, engine):
    expected = {"embedded": Durability.LOCAL_FSYNC, "cluster": Durability.RELAXED, "redis": Durability.RELAXED}
    assert store.active.durability is expected[engine.name]
