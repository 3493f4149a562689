"""Listing a tenant's sessions, newest creation first."""

import pytest

from sojourn_server.domain import changes as ch
from tests.support.sessions import Desk


async def pages(desk: Desk, count: int) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    while True:
        page = await desk.store.active.newest(desk.tenant, after=found[-1] if found else None, count=count)
        assert len(page) <= count
        found += page
        if len(page) < count:
            return found


@pytest.mark.parametrize("count", [1, 7, 25, 1000])
async def test_every_session_once_newest_first(desk, count):
    created = {}
    for n in range(25):
        created[f"s{n}"] = (await desk.create(f"s{n}")).commit_us
    found = await pages(desk, count)
    assert found == sorted(((us, sid) for sid, us in created.items()), reverse=True)


async def test_writing_changes_no_place_and_deleting_takes_it_away(desk):
    for n in range(3):
        await desk.create(f"s{n}")
    await desk.write(ch.LogAppended(), sid="s0")
    await desk.delete("s1")
    assert [sid for _, sid in await pages(desk, 2)] == ["s2", "s0"]


async def test_tenants_do_not_see_each_other(desk, store):
    await desk.create("ours")
    other = Desk(store)
    await other.create("theirs")
    assert [sid for _, sid in await pages(desk, 10)] == ["ours"]
    await other.delete_all()
    assert await pages(other, 10) == []


async def test_sessions_of_the_same_microsecond_are_ordered_by_id(desk, engine):
    sids = [f"s{n:02}" for n in range(40)]
    for sid in sids:
        await desk.create(sid)
        await engine.at_owner("ZADD", desk.keys(sid).by_creation, 1_700_000_000_000_000, sid)
    for count in (1, 3, 40, 100):
        assert [sid for _, sid in await pages(desk, count)] == sorted(sids, reverse=True)


async def test_a_session_created_meanwhile_disturbs_no_page(desk):
    for n in range(6):
        await desk.create(f"s{n}")
    first = await desk.store.active.newest(desk.tenant, after=None, count=3)
    await desk.create("new")
    await desk.delete("s5")
    rest = await desk.store.active.newest(desk.tenant, after=first[-1], count=10)
    assert [sid for _, sid in first + rest] == ["s5", "s4", "s3", "s2", "s1", "s0"]
