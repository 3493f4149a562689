"""Lists of sessions: every condition, the order, the pages, and nobody sees another tenant's."""

import asyncio
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from sojourn_server.catalog import tables as t
from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.catalog.engine import open_engine, writing
from sojourn_server.domain.changes import ChangeKind
from sojourn_server.domain.errors import InvalidFieldError
from sojourn_server.domain.filters import SessionFilter
from sojourn_server.domain.session import Session, SessionStatus, Tier
from tests.support.catalogs import KINDS
from tests.support.stories import BEGAN_US, TENANT, Active, Story, ids, tell


async def found(catalog: SqlCatalog, tenant: str = TENANT, **conditions: Any) -> list[str]:
    """Ids of the sessions that match, in the order of their names; counted, they are as many."""
    wanted = SessionFilter(**conditions)
    sessions = await catalog.list(tenant, wanted, after=None, count=1000)
    assert await catalog.count(tenant, wanted) == len(sessions)
    if not wanted.text and not wanted.tiers:
        assert all(wanted.matches(session) for session in sessions)
    return sorted(ids(sessions))


async def pages(catalog: SqlCatalog, wanted: SessionFilter, size: int) -> list[list[Session]]:
    """All pages of a list."""
    found: list[list[Session]] = []
    after = None
    while page := await catalog.list(TENANT, wanted, after=after, count=size):
        found.append(page)
        after = page[-1].created_us, page[-1].id
    return found


def words(*names: str) -> frozenset[str]:
    return frozenset(names)


async def test_labels(catalog):
    await tell(
        catalog, Story("a", user_id="u1", project="p1", kind="qa", parent="x"), Story("b", user_id="u1", project="p2"),
        Story("c", user_id="u2", project="p1"), Story("d"),
    )  # fmt: skip
    assert await found(catalog) == ["a", "b", "c", "d"]
    assert await found(catalog, user_id="u1") == ["a", "b"]
    assert await found(catalog, project="p1") == ["a", "c"]
    assert await found(catalog, user_id="u1", project="p1") == ["a"]
    assert await found(catalog, kind="qa") == ["a"]
    assert await found(catalog, kind="session") == ["b", "c", "d"]
    assert await found(catalog, parent="x") == ["a"]
    assert await found(catalog, user_id="U1") == []


async def test_statuses(catalog):
    await tell(catalog, *[Story(status.name.lower(), status=status) for status in SessionStatus])
    for status in SessionStatus:
        assert await found(catalog, statuses=frozenset({status})) == [status.name.lower()]
    two = frozenset({SessionStatus.FAILED, SessionStatus.ACTIVE})
    assert await found(catalog, statuses=two) == ["active", "failed"]


async def test_tags(catalog):
    await tell(catalog, Story("a", tags=["x"]), Story("b", tags=["x", "y"]), Story("c", tags=["y", "ü"]), Story("d"))
    assert await found(catalog, all_tags=words("x")) == ["a", "b"]
    assert await found(catalog, all_tags=words("x", "y")) == ["b"]
    assert await found(catalog, any_tags=words("x", "y")) == ["a", "b", "c"]
    assert await found(catalog, any_tags=words("x", "ü"), all_tags=words("y")) == ["b", "c"]
    assert await found(catalog, all_tags=words("X")) == []
    assert await found(catalog, all_tags=words("x", "z")) == []


@pytest.mark.parametrize(
    ("stored", "equal", "different"),
    [
        ("1", ["1.0", "1e0", "10E-1", "0.1e+1"], ["true", '"1"', "2", "-1", "[1]", "10"]),
        ("0", ["-0", "0.00", "0e9"], ["false", "null", '""', "1"]),
        ("true", [" true "], ["1", "false", '"true"', "null"]),
        ("null", ["null"], ["0", "false", '""', "{}"]),
        ('"é"', ['"\\u00e9"', '"\\u00E9"'], ['"e"', '"e\\u0301"']),
        ('"\\ud800"', ['"\\uD800"'], ['"\\ud801"']),
        ('{"a":1,"b":[1,{}]}', ['{ "b" : [1.0, {}], "a" : 1 }', '{"a":9,"b":[1,{}],"a":1}'], ['{"a":1}', "[]"]),
        ("[1,2]", ["[1, 2.0]"], ["[2,1]", "[1,2,3]", '["1",2]']),
        ("9" * 5000, ["9" * 5000 + ".0"], ["9" * 4999 + "8", "1e5000"]),
        ("1e400", ["10e399"], ["1e401", "2e400"]),
        ("1e99999999999999999999", ["1e99999999999999999999"], ["1e99999999999999999998"]),
        ("0.1", ["0.10", "1e-1"], ["0.10000000000000001"]),
    ],
)
async def test_metadata_is_equal_by_value(catalog, stored, equal, different):
    await tell(catalog, Story("a", metadata={"k": stored.encode()}), Story("b", metadata={"other": stored.encode()}))
    for text in [stored, *equal]:
        assert await found(catalog, metadata={"k": text.encode()}) == ["a"], text
    for text in different:
        wanted = SessionFilter(metadata={"k": text.encode()})
        assert await catalog.list(TENANT, wanted, after=None, count=9) == [], text
        assert not wanted.matches(Story(metadata={"k": stored.encode()}).session), text


async def test_several_keys_of_metadata(catalog):
    await tell(catalog, Story("a", metadata={"k": b"1", "l": b"2"}), Story("b", metadata={"k": b"1", "l": b"3"}))
    assert await found(catalog, metadata={"k": b"1"}) == ["a", "b"]
    assert await found(catalog, metadata={"k": b"1", "l": b"3"}) == ["b"]
    assert await found(catalog, metadata={"k": b"1", "m": b"3"}) == []


async def test_times(catalog):
    us = BEGAN_US
    for name, created, updated, ended in (("a", 0, 10, None), ("b", 5, 20, 30), ("c", 9, 9, 40)):
        story = Story(name, created_us=us + created, updated_us=us + updated)
        story.session.updated_us, story.session.ended_us = us + updated, us + ended if ended else None
        await tell(catalog, story)
    assert await found(catalog, created_from_us=us + 5) == ["b", "c"]
    assert await found(catalog, created_before_us=us + 5) == ["a"]
    assert await found(catalog, created_from_us=us + 5, created_before_us=us + 9) == ["b"]
    assert await found(catalog, updated_from_us=us + 10, updated_before_us=us + 20) == ["a"]
    assert await found(catalog, ended_from_us=us + 1) == ["b", "c"]
    assert await found(catalog, ended_before_us=us + 40) == ["b"]
    assert await found(catalog, ended_before_us=us) == []


async def test_tiers(catalog, catalog_engine):
    await tell(catalog, Story("a"), Story("b"), Story("c"))
    async with writing(catalog_engine) as connection:
        for name, tier in (("b", Tier.RECENT), ("c", Tier.ARCHIVE)):
            await connection.execute(update(t.sessions).where(t.sessions.c.session_id == name).values(tier=int(tier)))
    assert await found(catalog, tiers=frozenset({Tier.HOT})) == ["a"]
    assert await found(catalog, tiers=frozenset({Tier.RECENT, Tier.ARCHIVE})) == ["b", "c"]
    assert [session.tier for session in await catalog.list(TENANT, SessionFilter(), after=None, count=9)] == [3, 2, 1]


async def test_text_must_be_in_one_text(catalog):
    await tell(
        catalog, Story("a").says("the refund was late").says("the flight too"), Story("b").says("refund that flight"),
        Story("c", purpose="Refund"), Story("d").says("refundable"), Story("e", user_id="u").says("late refund"),
    )  # fmt: skip
    assert await found(catalog, text="refund") == ["a", "b", "c", "e"]
    assert await found(catalog, text="flight REFUND") == ["b"]
    assert await found(catalog, text='"late refund"') == ["e"]
    assert await found(catalog, text="refund", user_id="u") == ["e"]
    assert await found(catalog, text="nothing") == []
    with pytest.raises(InvalidFieldError, match=r"filter\.text"):
        await found(catalog, text="-- *")


async def test_another_tenants_sessions_are_not_there(catalog):
    mine = Story("a", user_id="u", tags=["x"], metadata={"k": b"1"}, parent="p").says("hello")
    theirs = Story("a", tenant="other", user_id="u", tags=["x", "y"], metadata={"k": b"1"}, parent="p").says("hello")
    await tell(catalog, mine, theirs, Story("b", tenant="other", tags=["y"]).says("hello"))
    for conditions in (
        {}, {"user_id": "u"}, {"all_tags": words("x")}, {"any_tags": words("x", "y")}, {"metadata": {"k": b"1"}},
        {"parent": "p"}, {"text": "hello"}, {"statuses": frozenset({SessionStatus.ACTIVE})},
        {"tiers": frozenset({Tier.HOT})}, {"created_from_us": 1},
    ):  # fmt: skip
        assert await found(catalog, **conditions) == ["a"]
        assert (await found(catalog, "other", **conditions))[:1] == ["a"]
        assert await found(catalog, "third", **conditions) == []
    assert await found(catalog, all_tags=words("y")) == []
    listed = await catalog.list(TENANT, SessionFilter(), after=None, count=9)
    assert [session.uid for session in listed] == [mine.session.uid]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_pages_are_complete_and_stable(catalog, size):
    """Sessions of the same moment are ordered by their ids, byte by byte."""
    names = ["a", "B", "a-1", "a.b", "a_b", "Z", "z", "0", "~", "aa", "ab", "a~"]
    stories = [
        Story(f"{name}{n}", created_us=BEGAN_US + n // 2, tags=["odd"] * (n % 2))
        for n, name in product(range(4), names)
    ]
    await tell(catalog, *stories)
    expected = sorted(((s.session.created_us, s.session.id) for s in stories), reverse=True)
    found = await pages(catalog, SessionFilter(), size)
    assert [(s.created_us, s.id) for page in found for s in page] == expected
    assert {len(page) for page in found[:-1]} <= {size}
    odd = await pages(catalog, SessionFilter(all_tags=words("odd")), size)
    assert [s.id for page in odd for s in page] == [name for _, name in expected if name[-1] in "13"]


async def test_pages_go_on_while_sessions_come_and_go(catalog, catalog_engine):
    await tell(catalog, *[Story(f"s{n:02d}", created_us=BEGAN_US + n) for n in range(20)])
    first = await catalog.list(TENANT, SessionFilter(), after=None, count=5)
    place = first[-1].created_us, first[-1].id
    await tell(catalog, Story("newer", created_us=BEGAN_US + 99))
    async with writing(catalog_engine) as connection:
        await connection.execute(delete(t.sessions).where(t.sessions.c.session_id == first[-1].id))
    second = await catalog.list(TENANT, SessionFilter(), after=place, count=5)
    assert ids(second) == ["s14", "s13", "s12", "s11", "s10"]


async def test_nothing_is_read_as_sql(catalog):
    await tell(catalog, Story("a", user_id="u' OR '1'='1", tags=["x'); --"], metadata={"k' --": b'"%"'}))
    assert await found(catalog, user_id="u' OR '1'='1") == ["a"]
    assert await found(catalog, user_id="' OR 1=1 --") == []
    assert await found(catalog, user_id="a\x00b") == []
    assert await found(catalog, all_tags=words("x'); --")) == ["a"]
    assert await found(catalog, metadata={"k' --": b'"%"'}) == ["a"]
    assert await found(catalog, project="%") == []


# --- every combination, against what the filter says of each session ---

names = st.sampled_from(["a", "b"])
values = st.sampled_from([b"1", b"1.0", b"true", b'"1"', b"null", b'{"x":[1]}', b'{ "x": [1.0] }'])
moments = st.integers(1, 4)
sessions = st.builds(
    dict,
    user_id=st.just("") | names, project=st.just("") | names, kind=st.sampled_from(["session", "qa"]),
    parent=st.just("") | names, status=st.sampled_from(SessionStatus), created_us=moments, updated_us=moments,
    ended_us=st.none() | moments, tags=st.lists(names, unique=True).map(sorted),
    metadata=st.dictionaries(names, values, max_size=2),
)  # fmt: skip
bounds = st.just(0) | moments
filters = st.builds(
    SessionFilter,
    user_id=st.just("") | names, project=st.just("") | names, kind=st.sampled_from(["", "session", "qa"]),
    parent=st.just("") | names, statuses=st.frozensets(st.sampled_from(SessionStatus), max_size=2),
    all_tags=st.frozensets(names, max_size=2), any_tags=st.frozensets(names, max_size=2),
    created_from_us=bounds, created_before_us=bounds, updated_from_us=bounds, updated_before_us=bounds,
    ended_from_us=bounds, ended_before_us=bounds, metadata=st.dictionaries(names, values, max_size=1),
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_holds_what_the_filter_says(databases, kind):
    """For any few sessions and any filters. Each example has a tenant of its own."""
    number = 0

    @given(st.lists(sessions, max_size=8), st.lists(filters | st.just(SessionFilter()), min_size=1, max_size=12))
    @settings(max_examples=40 if kind == "sqlite" else 20, deadline=None, suppress_health_check=list(HealthCheck))
    def compare(told: list[dict[str, Any]], wanteds: list[SessionFilter]) -> None:
        nonlocal number
        number += 1
        runner.run(compare_one(f"tenant{number}", told, wanteds))

    async def compare_one(tenant: str, told: list[dict[str, Any]], wanteds: list[SessionFilter]) -> None:
        stories = [Story(f"s{n}", tenant=tenant, **fields) for n, fields in enumerate(told)]
        for story, fields in zip(stories, told, strict=True):
            story.session.updated_us = fields["updated_us"]
        await catalog.project([story.projection() for story in stories], Active(*stories).standings)
        everything = [replace(story.session) for story in stories]
        for wanted in wanteds:
            expected = sorted(
                (session for session in everything if wanted.matches(session)),
                key=lambda session: (session.created_us, session.id), reverse=True,
            )  # fmt: skip
            assert await catalog.list(tenant, wanted, after=None, count=100) == expected
            assert await catalog.count(tenant, wanted) == len(expected)
            if expected:
                half = expected[len(expected) // 2]
                rest = await catalog.list(tenant, wanted, after=(half.created_us, half.id), count=100)
                assert rest == expected[len(expected) // 2 + 1 :]

    with asyncio.Runner() as runner:
        engine = open_engine(runner.run(databases.migrated(kind)))
        catalog = SqlCatalog(engine)
        try:
            compare()
        finally:
            runner.run(catalog.close())


def test_kinds_of_change_that_may_change_labels_are_known():
    """Tags and metadata are stored anew only after these: a new kind that changes them must be told to the catalog."""
    from sojourn_server.catalog.projecting import _LABELS

    changing = {kind for kind in ChangeKind if _LABELS >> kind & 1}
    assert changing == {
        ChangeKind.SESSION_CREATED, ChangeKind.INFO_UPDATED, ChangeKind.FORKED, ChangeKind.RESTORED
    }  # fmt: skip
