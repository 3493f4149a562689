"""Bytes of state a session may hold."""

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import ConflictError
from sojourn_server.domain.session import StepStatus
from sojourn_server.store.writing import WriteSettings
from tests.support.sessions import Desk

LIMIT = 1000


@pytest.fixture
async def small(open_another):
    desk = Desk(await open_another(write=WriteSettings(max_state_bytes=LIMIT)))
    await desk.create()
    yield desk
    await desk.delete_all()


async def bytes_kept(engine, desk: Desk) -> int:
    """The count the store keeps: that of the fields themselves, but counters and usage; of tools the names alone."""
    head = desk.keys().head
    kept = int(await engine.at_owner("HGET", head, "bytes") or 0)
    fields = await engine.at_owner("HGETALL", head)
    counted = [name for name in fields if name[1:2] == ":" and name[0] not in "cg"]
    assert kept == sum(len(name.encode()) + (0 if name[0] == "u" else len(fields[name].encode())) for name in counted)
    return kept


async def test_up_to_the_limit_and_not_beyond(small, engine):
    await small.write(ch.StateSet({"k": b"x" * (LIMIT - 3)}))
    assert await bytes_kept(engine, small) == LIMIT
    before = await small.get()
    for change in (ch.StateSet({"l": b"1"}), ch.ResultSet("r", b"1"), ch.InfoUpdated(add_tags=("t",)),
                   ch.StateIncremented("n", 1), ch.StepFinished("p", 1, StepStatus.PASSED)):  # fmt: skip
        with pytest.raises(ConflictError) as raised:
            await small.write(change)
        assert raised.value.reason == "STATE_LIMIT_EXCEEDED"
        assert (raised.value.metadata["limit"], raised.value.metadata["revision"]) == (str(LIMIT), "2")
        assert int(raised.value.metadata["actual"]) > LIMIT
    assert await small.get() == before
    assert (await small.write(ch.LogAppended())).revision == 3


async def test_what_makes_room_is_always_taken(small, engine):
    await small.write(ch.StateSet({"k": b"x" * (LIMIT - 3)}))
    await small.write(ch.StateSet({"k": b"x" * 10}))
    assert await bytes_kept(engine, small) == 13
    await small.write(ch.StateSet({"l": b"x" * 900}))
    await small.write(ch.StateDeleted(("k", "l", "never")))
    assert await bytes_kept(engine, small) == 0
    await small.write(ch.StateSet({"k": b"x" * (LIMIT - 3)}))


async def test_the_count_follows_every_kind_of_field(small, engine):
    await small.write(
        ch.StateSet({"ü": b"1", "b": b"22"}), ch.ResultSet("r", b"333"), ch.InvocationStarted("i", "tool"),
        ch.InfoUpdated("purpose", ("tag",), (), {"m": b"4"}), ch.StepFinished("p", 1, StepStatus.FAILED, 12),
    )  # fmt: skip
    first = await bytes_kept(engine, small)
    assert first > 0
    await small.write(ch.StateIncremented("n", 99), ch.StateIncremented("b", -23))
    await small.write(ch.StateIncremented("n", 1))
    assert (await small.get()).state == {"ü": b"1", "b": b"-1", "n": b"100"}
    assert await bytes_kept(engine, small) == first + len("s:n") + 3
    await small.write(
        ch.InvocationFinished("i", ch.InvocationStatus.SUCCEEDED),
        ch.InfoUpdated("", (), ("tag",), {}, ("m",)),
        ch.StateDeleted(("ü", "b", "n")),
        ch.ResultSet("r", b"1"),
    )
    left = len("r:r") + 1 + len("p:p") + len("1|2|12") + len("u:tool")
    assert await bytes_kept(engine, small) == left


async def test_of_many_that_would_fit_alone_only_some_are_taken(small, engine):
    results = await small.store.active.write_many(
        [small.writing(ch.StateSet({f"k{n}": b"x" * 300})) for n in range(10)]
    )
    assert sum(not isinstance(result, Exception) for result in results) == 3
    assert await bytes_kept(engine, small) <= LIMIT
