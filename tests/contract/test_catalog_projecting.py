"""What the projector brings is in the catalog once, as it was, whatever is brought twice, late or by two at once."""

import asyncio
import itertools
import random
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text

from sojourn_server.catalog import tables as t
from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.catalog.engine import open_engine
from sojourn_server.domain import details as dt
from sojourn_server.domain.changes import ChangeKind, InvocationStatus, MessageRole
from sojourn_server.domain.filters import SessionFilter
from sojourn_server.domain.session import SessionKey, SessionStatus, StepStatus, StepSummary, Tier
from sojourn_server.ports.catalog import Stored
from sojourn_server.ports.outbox import Standing
from tests.support.stories import TENANT, Active, Story, finished, ids, started, step, tell


async def rows(engine: Any, table: Any, *columns: str) -> list[Any]:
    """What is in a table; without `columns` everything but the session's number."""
    wanted = [table.c[name] for name in columns] or [c for c in table.c if c.name not in ("session", "id", "search")]
    async with engine.connect() as connection:
        return sorted(tuple(row) for row in await connection.execute(select(*wanted)))


async def contents(engine: Any) -> dict[str, list[Any]]:
    """Everything in the catalog, with every word of the full-text index and how often it is there."""
    found = {table.name: await rows(engine, table) for table in t.metadata.sorted_tables}
    if engine.dialect.name == "sqlite":
        async with engine.connect() as connection:
            made = "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, texts_index, row)"
            await connection.execute(text(made))
            found["texts_index"] = [tuple(row) for row in await connection.execute(text("SELECT * FROM vocabulary"))]
            await connection.execute(text("DROP TABLE vocabulary"))
    return found


async def all_events(catalog: SqlCatalog, uid: str) -> list[Any]:
    return await catalog.events(uid, after=0, before=None, mask=0, count=10_000, reverse=False)


def tale(session_id: str = "s", **begins_with: Any) -> Story:
    """A session with something in every table."""
    story = Story(session_id, purpose="a purpose", tags=["a", "b"], metadata={"k": b'{"x": [1.0]}'}, **begins_with)
    story.says("hello").add(started("i1", arguments='{"path": "x"}'))
    story.add(finished("i1", result='"done"'), dt.MessageDetail(MessageRole.TOOL, "done", "tool", "i1"))
    story.add(step("one", output="[]"), step("two", 2, StepStatus.FAILED)).add(dt.LogDetail(3, "a line"))
    return story.add(dt.ArtifactDetail("shot.png", 1, "image/png", 3, "ab", "before", {"k": "v"}, "blob:1"))


async def test_a_session_comes_back_as_it_was(catalog):
    story = Story(
        kind="qa", user_id="u", project="p", purpose="why", parent="up", tags=["a", "b"], metadata={"k": b" [1, 2.50]"},
        idle_timeout_ms=5, max_lifetime_ms=6, max_concurrent_requests=7,
    )  # fmt: skip
    story.add(
        kind=ChangeKind.STATUS_CHANGED, status=SessionStatus.FAILED, error="broken",
        ended_us=story.session.created_us + 9, counters={"messages": 3}, usage={"cost_micros": 4}, tools={"tool": 2},
        steps={"one": StepSummary(2, StepStatus.FAILED, None), "two": StepSummary(1, StepStatus.PASSED, 8)},
    )  # fmt: skip
    await tell(catalog, story)
    assert await catalog.get(story.key) == replace(story.session, tier=Tier.HOT)
    assert await catalog.get(SessionKey("other", "s")) is None
    assert await all_events(catalog, story.session.uid) == story.events


async def test_what_is_brought_again_changes_nothing(catalog, catalog_engine):
    story = tale()
    await tell(catalog, story)
    before = await contents(catalog_engine)
    assert all(before[name] for name in before if name not in ("templates", "shards"))
    for after, to in ((0, None), (2, 5), (0, 1), (6, 7)):
        await catalog.project([story.projection(after, to)], Active(story).standings)
    assert await contents(catalog_engine) == before


async def test_brought_in_pieces_it_is_the_same(catalog, catalog_engine, databases):
    story = tale()
    await tell(catalog, story)
    whole = await contents(catalog_engine)
    for pieces in ([0, 3, 7], [0, 1, 2, 3, 4, 5, 6, 7], [0, 4, 2, 6, 5, 7]):
        async with databases.lent(catalog_engine.dialect.name) as url:
            engine = open_engine(url)
            other = SqlCatalog(engine)
            for after, to in itertools.pairwise(pieces):
                # Later pieces may begin earlier than the last one ended, never later.
                await other.project([story.projection(min(after, to - 1), to)], Active(story).standings)
            assert await contents(engine) == whole
            await engine.dispose()


async def test_two_projectors_at_once_store_everything_once(catalog, catalog_engine, catalog_url):
    stories = [tale(f"s{n}") for n in range(12)]
    active = Active(*stories)
    other_engine = open_engine(catalog_url)
    other = SqlCatalog(other_engine)
    await tell(catalog, *stories[:3])

    async def bring(to: SqlCatalog, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(6):
            projections = []
            known = await to.revisions([story.key for story in stories])
            for story in chance.sample(stories, 8):
                after = known.get(story.key, ("", 0))[1]
                if after < story.session.revision:
                    projections.append(story.projection(after, chance.randint(after + 1, story.session.revision)))
            await to.project(projections, active.standings)

    await asyncio.gather(bring(catalog, 1), bring(other, 2), bring(catalog, 3), bring(other, 4))
    await tell(catalog, *stories)
    await other_engine.dispose()
    for story in stories:
        assert await all_events(catalog, story.session.uid) == story.events
    found = await contents(catalog_engine)
    assert len(found["texts"]) == 12 * 6
    assert len(found["messages"]) == 12 * 2
    assert len(found["tags"]) == 12 * 2
    assert all(texts % 12 == 0 for _, texts, _ in found.get("texts_index", []))


async def test_of_a_session_with_more_events_than_one_piece_the_row_does_not_run_ahead(catalog):
    story = tale()
    await catalog.project([story.projection(0, 3)], Active(story).standings)
    assert await catalog.revisions([story.key]) == {story.key: Stored(story.session.uid, 3, story.events[2].commit_us)}
    assert len(await all_events(catalog, story.session.uid)) == 3


async def test_an_older_head_does_not_replace_a_newer_one(catalog):
    story = Story(purpose="old")
    old = story.projection()
    story.add(dt.PurposeDetail("new"), purpose="new", tags=["new"])
    await tell(catalog, story)
    await catalog.project([old], Active(story).standings)
    found = await catalog.get(story.key)
    assert (found.purpose, found.tags, found.revision) == ("new", ["new"], 2)


async def test_tags_and_metadata_are_replaced_when_they_change(catalog, catalog_engine):
    story = Story(tags=["a", "b"], metadata={"k": b"1", "l": b"2"})
    await tell(catalog, story)
    story.add(kind=ChangeKind.INFO_UPDATED, tags=["b", "c"], metadata={"k": b"3"})
    await catalog.project([story.projection(1)], Active(story).standings)
    assert await rows(catalog_engine, t.tags, "tag") == [("b",), ("c",)]
    assert await rows(catalog_engine, t.labels, "key") == [("k",)]
    for wanted in (SessionFilter(all_tags=frozenset({"a"})), SessionFilter(metadata={"k": b"1"})):
        assert await catalog.list(TENANT, wanted, after=None, count=9) == []
    for wanted in (SessionFilter(all_tags=frozenset({"c"})), SessionFilter(metadata={"k": b"3.0"})):
        assert len(await catalog.list(TENANT, wanted, after=None, count=9)) == 1


async def test_events_that_the_store_has_dropped_are_missing_and_nothing_else(catalog):
    story = tale()
    await tell(catalog, story)
    story.says("lost").add(kind=ChangeKind.INFO_UPDATED, tags=["lost too"]).says("kept")
    lost = story.session.revision - 1
    await catalog.project([story.projection(lost)], Active(story).standings)
    revisions = [event.revision for event in await all_events(catalog, story.session.uid)]
    assert revisions == [1, 2, 3, 4, 5, 6, 7, 10]
    assert (await catalog.get(story.key)).revision == 10
    assert ids(await catalog.list(TENANT, SessionFilter(all_tags=frozenset({"lost too"})), after=None, count=9)) == [
        "s"
    ]


async def test_an_id_used_again_is_another_session(catalog, catalog_engine):
    old, new = tale(), Story(purpose="anew")
    active = Active(old)
    await catalog.project([old.projection()], active.standings)
    active.delete(old)
    active.put(new)
    await catalog.project([new.projection()], active.standings)
    assert await all_events(catalog, old.session.uid) == []
    assert (await catalog.get(new.key)).uid == new.session.uid
    assert {row[0] for row in await rows(catalog_engine, t.texts, "content")} == {"anew"}
    # Somebody who was stopped before brings the old one only now.
    await catalog.project([old.projection()], active.standings)
    assert (await catalog.get(new.key)).uid == new.session.uid
    assert await all_events(catalog, old.session.uid) == []


async def test_a_session_that_was_deleted_meanwhile_does_not_come_back(catalog, catalog_engine):
    story = tale()
    active = Active(story)
    active.delete(story)
    await catalog.project([story.projection()], active.standings)
    assert await rows(catalog_engine, t.sessions) == []


async def test_deletion_and_projection_at_once_end_as_the_store_says(catalog, catalog_engine):
    for chance in range(20):
        story = tale(f"s{chance}")
        active = Active(story)

        async def delete(story: Story = story, active: Active = active, wait: float = chance % 5 / 500) -> None:
            await asyncio.sleep(wait)
            active.delete(story)
            await catalog.forget([story.key], active.standings)

        await asyncio.gather(catalog.project([story.projection()], active.standings), delete())
    assert await rows(catalog_engine, t.sessions) == []


async def test_forgetting_removes_everything_of_a_session_and_nothing_else(catalog, catalog_engine):
    kept, gone = tale("kept"), tale("gone")
    await tell(catalog, kept)
    before = await contents(catalog_engine)
    active = Active(kept, gone)
    await catalog.project([gone.projection()], active.standings)
    assert await contents(catalog_engine) != before
    active.delete(gone)
    for _ in range(2):
        await catalog.forget([gone.key], active.standings)
        assert await contents(catalog_engine) == before
    found = await catalog.search(TENANT, "hello", SessionFilter(), sources=frozenset(), offset=0, count=9)
    assert ids(session for session, _ in found) == ["kept"]


async def test_only_what_was_deleted_is_forgotten(catalog):
    there, lost = Story("there"), Story("lost")
    active = Active(there, lost)
    await catalog.project([there.projection(), lost.projection()], active.standings)
    active.lose(lost)
    await catalog.forget([there.key, lost.key], active.standings)
    assert len(await catalog.revisions([there.key, lost.key])) == 2


async def test_texts_hold_what_databases_do_not_like(catalog):
    nasty = "a\x00b '; DROP TABLE sessions; -- \\ \U0001f600 \u202e \ud7ff \ufffe \n\r\t %s :x ?"
    story = Story(purpose=nasty, error=nasty, metadata={"k": b'"\\u0000 \\ud800"'})
    story.says(nasty).add(started("i1", "tool", '{"a":"\\u0000"}'), finished("i1", result='"\\u0000"', error=nasty))
    story.add(step("n\x00", output='"\\u0000"'), dt.LogDetail(1, nasty))
    await tell(catalog, story)
    found = await catalog.get(story.key)
    assert found.purpose == nasty.replace("\x00", "\ufffd")
    assert found.metadata == story.session.metadata
    assert await all_events(catalog, story.session.uid) == story.events
    assert await catalog.search(TENANT, "drop table", SessionFilter(), sources=frozenset(), offset=0, count=9)


@pytest.mark.parametrize(
    "content",
    [
        "x" * (1 << 20),
        "word " * 200_000,
        " ".join(f"w{n}" for n in range(150_000)),
        "é" * 500_000,
        "漢" * 349_000,
        "\ufdfa1 \ufdfa2 " * 50_000,
        " ".join(chr(0x1D400 + n % 600) * 60 + str(n) for n in range(4_000)),
        "\U0001f600" * 262_144,
        "'\\\"" * 300_000,
    ],
    ids=["one-word", "same-word", "many-words", "accents", "ideographs", "ligatures", "long-words", "emoji", "quotes"],
)
async def test_texts_may_be_as_long_as_they_may_be(catalog, content):
    story = Story().says(content + " tail").says("short needle")
    story.add(started("i1", arguments='"' + content + '"'), finished("i1", result='"' + content + '"'))
    await tell(catalog, story)
    assert (await catalog.get(story.key)).revision == story.session.revision
    found = await catalog.search(TENANT, "needle", SessionFilter(), sources=frozenset(), offset=0, count=9)
    assert len(found) == 1


async def invocation(catalog: SqlCatalog, story: Story, invocation_id: str = "i1") -> Any:
    return await catalog.invocation(story.session.uid, invocation_id)


async def test_an_invocation_runs_until_it_ends(catalog):
    story = Story().add(started("i1", "git", '{"a":1}'))
    await tell(catalog, story)
    found = await invocation(catalog, story)
    assert (found.status, found.finished_us, found.duration_us, found.arguments) == (None, None, None, b'{"a":1}')
    story.add(finished("i1", "git", '"x"', status=InvocationStatus.FAILED, error="bad"))
    await catalog.project([story.projection(2)], Active(story).standings)
    found = await invocation(catalog, story)
    assert found == found._replace(
        session=story.key, tool="git", status=InvocationStatus.FAILED, request_id="r1", arguments=b'{"a":1}',
        result=b'"x"', error="bad", cost_micros=7,
    )  # fmt: skip
    assert (found.started_us, found.finished_us) == (story.events[1].commit_us, story.events[2].commit_us)
    assert found.duration_us == found.finished_us - found.started_us


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, None])
async def test_an_invocation_is_as_it_was_started_last(catalog, cut):
    """However its story is cut into transactions."""
    story = Story().add(started("i1", "old", "1"))
    story.add(finished("i1", "old", "2", duration_us=5), started("i1", "new", "3"))
    story.add(started("i1", "newer", "4")).add(finished("i1", "newer", error="e", duration_us=6))
    if cut:
        await catalog.project([story.projection(0, cut)], Active(story).standings)
    await catalog.project([story.projection(cut or 0)], Active(story).standings)
    found = await invocation(catalog, story)
    assert (found.tool, found.arguments, found.result, found.error, found.duration_us) == ("newer", b"4", None, "e", 6)
    assert (found.started_us, found.finished_us) == (story.events[3].commit_us, story.events[4].commit_us)


async def test_an_invocation_started_anew_is_running_again(catalog):
    story = Story().add(started("i1"), finished("i1", result="1", duration_us=5)).add(started("i1"))
    await tell(catalog, story)
    found = await invocation(catalog, story)
    assert (found.status, found.result, found.duration_us, found.finished_us) == (None, None, None, None)


async def test_an_invocation_that_never_started_has_ended(catalog):
    story = Story().add(finished("i1", "git", "1"))
    await tell(catalog, story)
    found = await invocation(catalog, story)
    assert (found.tool, found.status, found.result) == ("git", InvocationStatus.SUCCEEDED, b"1")
    assert found.started_us == found.finished_us == story.events[1].commit_us


async def test_the_same_invocation_id_in_another_session_is_another_invocation(catalog):
    one, two = Story("one").add(started("i1", "a")), Story("two").add(started("i1", "b"))
    await tell(catalog, one, two)
    assert ((await invocation(catalog, one)).tool, (await invocation(catalog, two)).tool) == ("a", "b")


async def test_a_run_of_a_step_is_as_it_was_told_last(catalog, catalog_engine):
    story = Story().add(step("one", 1, StepStatus.FAILED), step("one", 1, StepStatus.PASSED, "1"))
    story.add(step("one", 2, StepStatus.ERROR)).add(step("one", 1, StepStatus.SKIPPED, "2"))
    for to in (3, 4, 4):
        await catalog.project([story.projection(0, to)], Active(story).standings)
    found = await rows(catalog_engine, t.steps, "name", "run", "status", "output")
    assert found == [("one", 1, int(StepStatus.SKIPPED), "2"), ("one", 2, int(StepStatus.ERROR), None)]


async def test_an_artifact_may_be_attached_twice(catalog, catalog_engine):
    story = Story().add(dt.ArtifactDetail("a", 1), dt.ArtifactDetail("a", 2)).add(dt.ArtifactDetail("a", 3))
    await tell(catalog, story)
    assert await rows(catalog_engine, t.artifacts, "name", "version") == [("a", 1), ("a", 2), ("a", 3)]


async def test_events_are_read_in_pages_either_way(catalog):
    story = Story()
    for n in range(30):
        story.says(f"m{n}").add(dt.LogDetail(1, f"l{n}"))
    await tell(catalog, story, Story("other").says("x"))
    uid = story.session.uid

    async def revisions(**query: Any) -> list[int]:
        asked = {"after": 0, "before": None, "mask": 0, "count": 1000, "reverse": False} | query
        return [event.revision for event in await catalog.events(uid, **asked)]

    assert await revisions() == list(range(1, 62))
    assert await revisions(after=10, before=13) == [11, 12]
    assert await revisions(count=3, reverse=True) == [61, 60, 59]
    assert await revisions(before=59, count=2, reverse=True) == [58, 57]
    assert await revisions(mask=1 << ChangeKind.LOG_APPENDED, after=50) == [51, 53, 55, 57, 59, 61]
    assert await revisions(after=61) == []
    assert await catalog.events("0" * 16, after=0, before=None, mask=0, count=9, reverse=False) == []


async def test_many_sessions_in_one_transaction(catalog):
    stories = [Story(f"s{n:04d}", tags=[f"t{n % 3}"]).says(f"number {n}") for n in range(1_200)]
    await tell(catalog, *stories)
    assert len(await catalog.revisions([story.key for story in stories])) == 1_200
    assert await catalog.count(TENANT, SessionFilter(all_tags=frozenset({"t1"}))) == 400


async def test_history_that_the_store_lost_meanwhile_is_left_out(catalog):
    """Who read it before, and stores it after the session was rebuilt, would undo what was written since."""
    story = Story("s").says("one").says("two").says("gone")
    revision, incarnation = story.session.revision, story.session.incarnation

    def now(history: tuple[int, str]) -> Any:
        async def standings(keys: Any) -> list[Standing]:
            return [Standing(story.session.uid, "", history=history) for _ in keys]

        return standings

    assert await catalog.project([story.projection(0, 3)], now((3, incarnation))) == []
    for lost in ((revision - 1, incarnation), (revision, "00000000000000bb"), (revision + 5, "00000000000000bb")):
        assert await catalog.project([story.projection(3)], now(lost)) == [story.key]
        assert [event.revision for event in await all_events(catalog, story.session.uid)] == [1, 2, 3]
    assert await catalog.project([story.projection(3)], now((revision + 1, incarnation))) == []
    assert [event.revision for event in await all_events(catalog, story.session.uid)] == [1, 2, 3, 4]


async def test_a_settled_row_waits_for_who_stores_something(catalog):
    story = Story("s").says("one")
    looking, go = asyncio.Event(), asyncio.Event()

    async def standings(keys: Any) -> list[Standing]:
        looking.set()
        await go.wait()
        return [Standing(story.session.uid, "") for _ in keys]

    storing = asyncio.create_task(catalog.project([story.projection()], standings))
    await looking.wait()
    assert await catalog.get(story.key) is None
    settled = asyncio.create_task(catalog.get(story.key, settled=True))
    await asyncio.wait([settled], timeout=0.05)
    assert not settled.done()
    go.set()
    await storing
    assert (await settled).revision == story.session.revision
