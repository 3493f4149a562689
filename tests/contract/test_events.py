"""Reading event logs: pages, filters, positions."""

from itertools import chain

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.cursor import SessionCursor, decode_session_cursor
from sojourn_server.domain.errors import NotFoundError, PositionError
from sojourn_server.store import reading
from tests.support.sessions import revisions

LOGS = ch.kind_mask([ch.ChangeKind.LOG_APPENDED])


async def pages(desk, **query) -> list[list[int]]:
    """The revisions of all pages."""
    found: list[list[int]] = []
    bound = "before" if query.get("reverse") else "after"
    while True:
        page = await desk.events(**query)
        found.append(revisions(page.events))
        if not page.more:
            return found
        query[bound] = page.scanned


async def refused(desk, after) -> PositionError:
    with pytest.raises(PositionError) as raised:
        await desk.events(after=after)
    return raised.value


@pytest.mark.parametrize("count", [1, 3, 250, 1000])
async def test_every_event_once_in_order_whatever_the_page(desk, count):
    await desk.create()
    committed = await desk.add(420 if count > 100 else 11)
    everything = list(range(1, committed[-1].revision + 1))
    forward = await pages(desk, count=count)
    assert list(chain(*forward)) == everything
    assert all(0 < len(page) <= count for page in forward)
    assert list(chain(*await pages(desk, count=count, reverse=True))) == everything[::-1]


async def test_bounds_are_exclusive(desk):
    await desk.create()
    results = await desk.add(9)
    assert revisions((await desk.events(after=3, before=7)).events) == [4, 5, 6]
    assert revisions((await desk.events(after=3, before=7, reverse=True)).events) == [6, 5, 4]
    assert revisions((await desk.events(after=results[1].cursor, before=results[5].cursor)).events) == [4, 5, 6]
    for empty in ({"after": 10}, {"after": 3, "before": 4}, {"before": 1}):
        page = await desk.events(**empty)
        assert (page.events, page.more) == ([], False)
    assert revisions((await desk.events(after=8, before=99)).events) == [9, 10]


async def test_a_filter_drops_and_remembers_how_far_it_looked(desk):
    await desk.create()
    for n in range(12):
        await desk.write(ch.LogAppended() if n % 3 == 0 else ch.StateSet({"k": b"1"}))
    assert await pages(desk, mask=LOGS, count=2) == [[2, 5], [8, 11], []]
    assert await pages(desk, mask=LOGS, count=100) == [[2, 5, 8, 11]]
    assert await pages(desk, mask=LOGS, count=3, reverse=True) == [[11, 8, 5], [2]]
    both = LOGS | ch.kind_mask([ch.ChangeKind.SESSION_CREATED])
    assert await pages(desk, mask=both, count=100) == [[1, 2, 5, 8, 11]]


@pytest.mark.parametrize("reverse", [False, True])
async def test_a_filter_that_matches_nothing_ends_pages_by_what_it_looked_at(desk, monkeypatch, reverse):
    monkeypatch.setattr(reading, "SCAN_LIMIT", 100)
    await desk.create()
    await desk.add(449)
    mask = ch.kind_mask([ch.ChangeKind.CUSTOM])
    assert await pages(desk, mask=mask, reverse=reverse) == [[]] * 5


async def test_large_events_end_a_page_early(desk):
    await desk.create()
    for _ in range(5):
        await desk.write(ch.LogAppended(), body=b"x" * (600 << 10))
    assert [len(page) for page in await pages(desk, after=1)] == [2, 2, 1]


async def test_the_head_of_a_page_is_where_the_log_ended(desk):
    created = await desk.create()
    assert (await desk.events()).head == created.cursor
    last = (await desk.add(5))[-1]
    page = await desk.events(count=2)
    assert (page.head, page.more, page.scanned) == (last.cursor, True, 2)


async def test_no_such_session(desk):
    with pytest.raises(NotFoundError):
        await desk.events()
    with pytest.raises(NotFoundError):
        await desk.events(after=7)


async def test_the_future_is_an_error_not_a_wait(desk):
    await desk.create()
    error = await refused(desk, 2)
    assert error.reason == "CURSOR_IN_FUTURE"
    assert error.metadata == {"session_id": "s", "after_revision": "2", "revision": "1"}


async def test_around_the_trim_point(desk):
    await desk.create()
    results = await desk.add(9)
    await desk.trim(6)
    for at, expected in ((5, [6, 7, 8, 9, 10]), (6, [7, 8, 9, 10]), (10, [])):
        assert revisions((await desk.events(after=at)).events) == expected
        assert revisions((await desk.events(after=results[at - 2].cursor)).events) == expected
    for at in (1, 3, 4):
        for position in (at, results[at - 2].cursor) if at > 1 else (at,):
            error = await refused(desk, position)
            assert error.reason == "CURSOR_TOO_OLD"
            assert (error.metadata["session_id"], error.metadata["oldest_revision"]) == ("s", "6")
            resumed = decode_session_cursor(error.metadata["oldest_cursor"], "after")
            assert revisions((await desk.events(after=resumed)).events) == [6, 7, 8, 9, 10]
    # Without a position: what is kept.
    assert revisions((await desk.events()).events) == [6, 7, 8, 9, 10]
    assert revisions((await desk.events(reverse=True)).events) == [10, 9, 8, 7, 6]
    assert (await desk.events(before=3)).events == []


async def test_trimming_is_never_undone_and_never_reaches_beyond_the_head(desk):
    created = await desk.create()
    last = (await desk.add(4))[-1]
    await desk.trim(3)
    await desk.trim(2)
    assert revisions((await desk.events()).events) == [3, 4, 5]
    await desk.trim(1000)
    assert (await desk.events()).events == []
    assert (await desk.events(after=last.cursor)).events == []
    assert (await refused(desk, created.cursor)).reason == "CURSOR_TOO_OLD"
    assert (await desk.write(ch.LogAppended())).revision == 6
    assert revisions((await desk.events(after=last.cursor)).events) == [6]
    assert (await desk.get()).revision == 6
    with pytest.raises(NotFoundError):
        await desk.trim(1, sid="nobody")


async def test_a_cursor_of_history_that_was_lost(desk, engine):
    await desk.create()
    [second] = await desk.add(1)
    async with engine.forgetting(desk.keys()):
        [third] = await desk.add(1)
    assert revisions((await desk.events(after=second.cursor)).events) == []
    error = await refused(desk, third.cursor)
    assert (error.reason, error.metadata) == ("HISTORY_ROLLED_BACK", {"session_id": "s", "revision": "2"})
    # The revision is used again: only the commit time tells.
    again = await desk.write(ch.LogAppended(), body=b"another third")
    assert again.revision == third.revision
    assert (await refused(desk, third.cursor)).reason == "HISTORY_ROLLED_BACK"
    await desk.add(5)
    assert (await refused(desk, third.cursor)).reason == "HISTORY_ROLLED_BACK"
    assert len((await desk.events(after=again.cursor)).events) == 5


async def test_a_cursor_of_another_incarnation(desk, engine):
    created = await desk.create()
    await engine.at_owner("HSET", desk.keys().head, "inc", "00000000deadbeef")
    assert (await refused(desk, created.cursor)).reason == "HISTORY_ROLLED_BACK"


async def test_a_cursor_of_an_earlier_session_with_this_id(desk):
    created = await desk.create()
    await desk.delete()
    with pytest.raises(NotFoundError) as raised:
        await desk.events(after=created.cursor)
    assert raised.value.reason == "SESSION_DELETED"
    await desk.create()
    error = await refused(desk, created.cursor)
    assert (error.reason, error.metadata) == ("SESSION_REPLACED", {"session_id": "s"})
    await desk.delete()
    assert (await refused(desk, created.cursor)).reason == "SESSION_REPLACED"


async def test_a_cursor_of_another_session(desk):
    await desk.create("other")
    await desk.create()
    [committed] = await desk.add(1, sid="other")
    assert (await refused(desk, committed.cursor)).reason == "SESSION_REPLACED"


async def test_a_cursor_that_lies_about_its_revision(desk):
    """Minted by nobody: whatever it is taken for, it must be an error."""
    created = await desk.create()
    for revision in (2, 2**63, 2**64 - 1):
        forged = SessionCursor(created.uid, created.incarnation, revision, created.commit_us)
        assert (await refused(desk, forged)).reason in ("HISTORY_ROLLED_BACK", "CURSOR_IN_FUTURE")
