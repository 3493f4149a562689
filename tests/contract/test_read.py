"""Reading sessions."""

import asyncio

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import NotFoundError
from sojourn_server.domain.session import Session


async def test_no_such_session(desk):
    with pytest.raises(NotFoundError) as raised:
        await desk.get()
    assert (raised.value.reason, raised.value.metadata) == ("SESSION_NOT_FOUND", {"session_id": "s"})


async def test_without_state_and_results(desk):
    await desk.create(state={"k": b"1"}, metadata={"m": b"1"}, tags=("t",))
    await desk.write(ch.ResultSet("r", b"1"), ch.LogAppended())
    full, basic = await desk.get(), await desk.get(full=False)
    assert (basic.state, basic.results) == ({}, {})
    assert (full.state, full.results) == ({"k": b"1"}, {"r": b"1"})
    full.state, full.results = {}, {}
    assert basic == full


async def test_many_fields_beside_the_state(desk):
    metadata = {f"m{n}": b"%d" % n for n in range(9_000)}
    await desk.create(metadata=metadata, state={"k": b"1"})
    assert (await desk.get(full=False)).metadata == metadata


async def test_a_write_is_seen_by_every_later_read(desk, open_another):
    other = type(desk)(await open_another(), desk.tenant)
    await desk.create()
    for revision in range(2, 30):
        await desk.write(ch.StateSet({"k": b"%d" % revision}))
        session = await other.get()
        assert (session.revision, session.state["k"]) == (revision, b"%d" % revision)


async def test_a_read_never_sees_half_a_write(desk):
    await desk.create()
    stop = asyncio.Event()

    async def write() -> None:
        for n in range(150):
            await desk.write(ch.StateSet(dict.fromkeys("abc", b"%d" % n)), ch.StateIncremented("n", 1))
        stop.set()

    async def read() -> int:
        reads = 0
        while not stop.is_set():
            session = await desk.get()
            assert len({session.state.get(key) for key in "abc"}) == 1
            assert int(session.state.get("n", b"0")) == session.revision - 1
            reads += 1
        return reads

    _, *counts = await asyncio.gather(write(), read(), read())
    assert min(counts) > 0


async def test_many_at_once_each_with_its_own_error(desk):
    for n in range(20):
        await desk.create(f"s{n}")
    await desk.delete("s3")
    keys = [desk.key(f"s{n}") for n in (*range(20), 99, 0)]
    found = await desk.store.active.get_many(keys, full=True)
    assert [s.id if isinstance(s, Session) else s.reason for s in found] == [
        *(f"s{n}" if n != 3 else "SESSION_DELETED" for n in range(20)), "SESSION_NOT_FOUND", "s0",
    ]  # fmt: skip
    assert await desk.store.active.get_many([], full=True) == []
