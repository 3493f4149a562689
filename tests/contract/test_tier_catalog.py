"""Sessions move between the tiers of the catalog whole or not at all, and only from where they are."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.catalog.tiering import SqlTiers
from sojourn_server.domain import details as dt
from sojourn_server.domain.changes import MessageRole
from sojourn_server.domain.errors import AlreadyExistsError
from sojourn_server.domain.events import StoredEvent
from sojourn_server.domain.filters import SessionFilter
from sojourn_server.domain.paths import archive_path, snapshot_path
from sojourn_server.domain.session import SessionKey, SessionStatus, Tier
from sojourn_server.ports.catalog import InvocationFilter, TextSource
from sojourn_server.ports.outbox import Standing
from sojourn_server.ports.tiers import WholeSession
from tests.support.stories import TENANT, Active, Story, finished, ids, started, step, tell

HOT, RECENT, ARCHIVE = Tier.HOT, Tier.RECENT, Tier.ARCHIVE


@pytest.fixture
def tiers(catalog: SqlCatalog) -> SqlTiers:
    return catalog.tiers


def tale(session_id: str = "s", *, ended_us: int | None = 7_000, **begins_with: object) -> Story:
    """A session with something in every table, that has ended."""
    story = Story(session_id, purpose="a purpose", tags=["a"], metadata={"k": b"1"}, **begins_with)
    story.says("hello").add(started("i1")).add(finished("i1", result='"done"')).add(step("one"))
    story.add(dt.MessageDetail(MessageRole.USER, "good bye"), dt.LogDetail(3, "a line"))
    story.add(dt.ArtifactDetail("shot.png", 1, "image/png", 3, "ab" * 32))
    return story.add(status=SessionStatus.COMPLETED, ended_us=ended_us)


async def at_rest(tiers: SqlTiers, catalog: SqlCatalog, story: Story, tier: Tier) -> None:
    """Tells the session and brings it to a tier."""
    await tell(catalog, story)
    session = story.session
    if tier is HOT:
        return
    assert await tiers.set_snapshot(session.uid, session.revision, snapshot_path(session.uid, session.revision)) == ""
    assert await tiers.move(session.uid, session.revision, HOT, RECENT)
    if tier is ARCHIVE:
        path = archive_path(session.uid, session.revision)
        assert await tiers.move(session.uid, session.revision, RECENT, ARCHIVE, archive_path=path)


async def events_of(catalog: SqlCatalog, story: Story) -> list[StoredEvent]:
    return await catalog.events(story.session.uid, after=0, before=None, mask=0, count=1_000, reverse=False)


async def pages(story: Story, size: int = 3, *, upto: int | None = None) -> AsyncIterator[Sequence[StoredEvent]]:
    events = story.events[:upto]
    for begin in range(0, len(events), size):
        yield events[begin : begin + size]


def whole(story: Story, size: int = 3, *, upto: int | None = None) -> WholeSession:
    async def both() -> AsyncIterator[tuple[Sequence[StoredEvent], Sequence[Sequence[dt.Detail]]]]:
        done = 0
        async for page in pages(story, size, upto=upto):
            yield page, story.details[done : done + len(page)]
            done += len(page)

    return WholeSession(TENANT, story.session, both())


async def found(catalog: SqlCatalog, story: Story) -> tuple[object, ...]:
    """What people find of a session."""
    everything = frozenset(TextSource)
    texts = await catalog.search(TENANT, "hello", SessionFilter(), sources=everything, offset=0, count=9)
    wanted = SessionFilter(all_tags=frozenset("a"), metadata={"k": b"1.0"})
    tagged = await catalog.list(TENANT, wanted, after=None, count=9)
    invocations = await catalog.invocations(TENANT, InvocationFilter(), after=None, count=9)
    return [fragments for _, fragments in texts], ids(tagged), invocations


async def test_a_session_goes_down_the_tiers_and_comes_back(tiers, catalog):
    story = tale()
    uid, revision = story.session.uid, story.session.revision
    await tell(catalog, story)
    seen = await found(catalog, story)
    assert not await tiers.move(uid, revision, HOT, RECENT), "it has no snapshot"
    early, snapshot = snapshot_path(uid, revision - 1), snapshot_path(uid, revision)
    assert await tiers.set_snapshot(uid, revision - 1, early) == ""
    assert not await tiers.move(uid, revision, HOT, RECENT), "its snapshot is too old"
    assert await tiers.set_snapshot(uid, revision, snapshot) == early
    assert await tiers.move(uid, revision, HOT, RECENT)
    row = await catalog.get(story.key)
    assert row == replace(story.session, tier=RECENT, snapshot_path=snapshot)
    assert await events_of(catalog, story) == story.events

    archive = archive_path(uid, revision)
    assert await tiers.move(uid, revision, RECENT, ARCHIVE, archive_path=archive)
    assert await catalog.get(story.key) == replace(story.session, tier=ARCHIVE, archive_path=archive)
    assert await events_of(catalog, story) == []
    assert await found(catalog, story) == seen

    assert await tiers.bring_back(uid, pages(story), snapshot_path=archive)
    assert await catalog.get(story.key) == replace(story.session, tier=RECENT, snapshot_path=archive)
    assert await events_of(catalog, story) == story.events
    assert await found(catalog, story) == seen
    assert not await tiers.bring_back(uid, pages(story), snapshot_path=archive)


@pytest.mark.parametrize("tier", Tier)
async def test_it_moves_only_from_where_it_is(tiers, catalog, tier):
    story = tale()
    uid, revision = story.session.uid, story.session.revision
    await at_rest(tiers, catalog, story, tier)
    before = await catalog.get(story.key)
    for source in set(Tier) - {tier}:
        assert not await tiers.move(uid, revision, source, RECENT if source is HOT else ARCHIVE, archive_path="x")
    for wrong in (revision - 1, revision + 1):
        assert not await tiers.move(uid, wrong, tier, RECENT if tier is HOT else ARCHIVE, archive_path="x")
    assert not await tiers.move("0" * 16, revision, tier, RECENT)
    assert await catalog.get(story.key) == before


async def test_what_the_active_store_has_stays(tiers, catalog):
    story = tale()
    uid, revision = story.session.uid, story.session.revision
    await tell(catalog, story)
    await tiers.set_snapshot(uid, revision, snapshot_path(uid, revision))
    active = Active(story)
    assert not await tiers.move(uid, revision, HOT, RECENT, standings=active.standings)
    active.lose(story)
    assert await tiers.move(uid, revision, HOT, RECENT, standings=active.standings)
    active.put(story)
    assert not await tiers.move(uid, revision, RECENT, ARCHIVE, archive_path="x", standings=active.standings)
    assert not await tiers.remove(uid, revision=revision, standings=active.standings)
    assert (await catalog.get(story.key)).tier is RECENT


@pytest.mark.parametrize("tier", [RECENT, ARCHIVE])
async def test_what_is_projected_is_hot(tiers, catalog, tier):
    """It came back to the active store; whether anything happened to it there since does not matter."""
    stories = [tale("a"), tale("b"), tale("c")]
    for story in stories:
        await at_rest(tiers, catalog, story, tier)
    a, b, c = stories
    assert [known.tier for known in (await catalog.revisions([s.key for s in stories])).values()] == [tier] * 3
    active = Active(a, b)
    b.says("once more")
    none = replace(a.projection(), events=[], details=[])
    brought = [none, b.projection(b.session.revision - 1), replace(none, session=c.session)]
    await catalog.project(brought, active.standings)
    rows = [await catalog.get(story.key) for story in stories]
    assert [row.tier for row in rows] == [HOT, HOT, tier]
    assert [row.revision for row in rows] == [story.session.revision for story in stories]


async def test_only_a_snapshot_that_the_catalog_can_go_on_from_is_noted(tiers, catalog):
    story = tale()
    uid, revision = story.session.uid, story.session.revision
    await catalog.project([story.projection(0, 5)], Active(story).standings)
    assert await tiers.set_snapshot(uid, 6, snapshot_path(uid, 6)) is None
    assert await tiers.set_snapshot("0" * 16, 1, snapshot_path(uid, 1)) is None
    fourth, again = snapshot_path(uid, 4), snapshot_path(uid, 4)
    assert await tiers.set_snapshot(uid, 4, fourth) == ""
    assert await tiers.set_snapshot(uid, 4, again) == fourth
    assert await tiers.set_snapshot(uid, 3, snapshot_path(uid, 3)) is None
    assert (await catalog.get(story.key)).snapshot_path == again
    await tell(catalog, story)
    assert (await catalog.get(story.key)).snapshot_path == again
    assert await tiers.set_snapshot(uid, revision, snapshot_path(uid, revision)) == again


async def test_sessions_that_ended_come_in_the_order_of_their_ends(tiers, catalog):
    stories = [tale(f"s{n}", ended_us=1_000 * (n // 2 + 1)) for n in range(8)] + [tale("live", ended_us=None)]
    for story in stories[:6] + stories[8:]:
        await tell(catalog, story)
    for story in stories[6:8]:
        await at_rest(tiers, catalog, story, RECENT)
    met, after = [], (0, 0)
    while page := await tiers.ended(HOT, before_us=3_000, after=after, count=3):
        met += page
        after = page[-1].ended_us, page[-1].number
    assert [one.key.session_id for one in met] == ["s0", "s1", "s2", "s3"]
    assert met[0].key == SessionKey(TENANT, "s0")
    assert met[0].session == stories[0].session
    assert [one.key.session_id for one in await tiers.ended(RECENT, before_us=9_000, after=(0, 0), count=9)] == [
        "s6", "s7",
    ]  # fmt: skip
    assert await tiers.ended(ARCHIVE, before_us=9_000, after=(0, 0), count=9) == []


async def test_hot_sessions_of_all_tenants_come_by_number(tiers, catalog):
    stories = [tale("a"), tale("b"), tale("c"), Story("d", tenant="other")]
    for story in stories:
        await tell(catalog, story)
    await at_rest(tiers, catalog, stories[1], ARCHIVE)
    first = await tiers.live(after=0, count=2)
    rest = await tiers.live(after=first[-1][0], count=2)
    assert [key for _, key, _ in first + rest] == [stories[0].key, stories[2].key, stories[3].key]
    assert rest[0][2] == stories[3].session


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_a_whole_session_is_as_if_it_had_been_projected(tiers, catalog, databases, size):
    story = tale()
    path = snapshot_path(story.session.uid, story.session.revision)
    await tiers.insert(whole(story, size), snapshot_path=path)
    assert await catalog.get(story.key) == replace(story.session, tier=RECENT, snapshot_path=path)
    assert await events_of(catalog, story) == story.events
    inserted = await found(catalog, story)
    assert await tiers.remove(story.session.uid)
    await tell(catalog, story)
    assert await found(catalog, story) == inserted


async def test_an_id_that_is_taken_stays_whose_it_is(tiers, catalog):
    first, second = tale(), tale()
    await tell(catalog, first)
    with pytest.raises(AlreadyExistsError) as raised:
        await tiers.insert(whole(second), snapshot_path="x")
    assert raised.value.metadata == {"session_id": "s", "revision": str(first.session.revision)}
    assert (await catalog.get(first.key)).uid == first.session.uid
    third, fourth = tale("t"), tale("t")
    both = (tiers.insert(whole(one), snapshot_path="x") for one in (third, fourth))
    results = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(result) for result in results if result) == [AlreadyExistsError]


async def test_half_a_session_is_none(tiers, catalog):
    story = tale()
    with pytest.raises(ValueError, match="the events end at revision 4"):
        await tiers.insert(whole(story, upto=4), snapshot_path="x")
    assert await catalog.get(story.key) is None
    assert await events_of(catalog, story) == []
    await at_rest(tiers, catalog, story, ARCHIVE)
    with pytest.raises(ValueError, match="the events end at revision 4"):
        await tiers.bring_back(story.session.uid, pages(story, upto=4), snapshot_path="x")

    async def with_a_gap() -> AsyncIterator[Sequence[StoredEvent]]:
        yield story.events[:2]
        yield story.events[3:]

    with pytest.raises(ValueError, match="not in order"):
        await tiers.bring_back(story.session.uid, with_a_gap(), snapshot_path="x")
    assert (await catalog.get(story.key)).tier is ARCHIVE
    assert await events_of(catalog, story) == []


async def test_what_is_removed_leaves_nothing(tiers, catalog):
    story, other = tale(), tale("other")
    uid, revision = story.session.uid, story.session.revision
    await at_rest(tiers, catalog, other, RECENT)
    alone = await found(catalog, other)
    await tell(catalog, story)
    assert not await tiers.remove(uid, revision=revision), "it is hot"
    await at_rest(tiers, catalog, story, RECENT)
    assert not await tiers.remove(uid, revision=revision - 1)
    assert await tiers.remove(uid, revision=revision)
    assert not await tiers.remove(uid)
    assert await catalog.get(story.key) is None
    assert await events_of(catalog, story) == []
    assert await found(catalog, other) == alone


async def test_paths_and_bytes_that_are_in_use(tiers, catalog):
    recent, archived = tale("recent"), tale("archived")
    await at_rest(tiers, catalog, recent, RECENT)
    await at_rest(tiers, catalog, archived, ARCHIVE)
    used = {(await catalog.get(recent.key)).snapshot_path, (await catalog.get(archived.key)).archive_path}
    uid = recent.session.uid
    others = [snapshot_path(uid, 3), snapshot_path("0" * 16, 3), "incoming/x", "", "sessions/a/b/c/d"]
    assert await tiers.used_paths([*others, *used]) == used
    assert await tiers.used_paths([]) == set()

    sha, unknown = "ab" * 32, "cd" * 32
    asked = [(TENANT, sha), ("other", sha), (TENANT, unknown)]
    assert await tiers.used_artifacts(asked) == {(TENANT, sha)}
    assert await tiers.used_artifacts([]) == set()
    for story in (recent, archived):
        await tiers.remove(story.session.uid)
    assert await tiers.used_artifacts(asked) == set()


async def test_how_far_the_catalog_has_the_shards(tiers, catalog):
    incarnation = "00000000000000aa"

    def standing_in(shard: int):
        async def standings(keys):
            return [Standing(uids[key], "", shard, incarnation) for key in keys]

        return standings

    stories = [Story(f"s{n}") for n in range(3)]
    uids = {story.key: story.session.uid for story in stories}
    for n, story in enumerate(stories):
        story.events[0].sequence = 10 * n + 5
    assert await tiers.marks() == {}
    await catalog.project([stories[1].projection(), stories[0].projection()], standing_in(3))
    assert await tiers.marks() == {3: (incarnation, 15)}
    await catalog.project([stories[0].projection()], standing_in(3))
    assert await tiers.marks() == {3: (incarnation, 15)}
    await catalog.project([stories[2].projection()], standing_in(4))
    assert await tiers.marks() == {3: (incarnation, 15), 4: (incarnation, 25)}
    incarnation = "00000000000000bb"
    await catalog.project([stories[0].projection()], standing_in(3))
    assert await tiers.marks() == {3: (incarnation, 5), 4: ("00000000000000aa", 25)}
