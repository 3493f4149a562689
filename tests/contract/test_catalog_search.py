"""Full-text search: what is found, in which order, what is shown of it, and that a query is never more than words."""

import asyncio
import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy import text as sql

from sojourn_server.catalog import collecting, planning, searching
from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.catalog.engine import open_engine, writing
from sojourn_server.catalog.tables import texts_index
from sojourn_server.catalog.words import indexed_words, phrases, tenant_word, words
from sojourn_server.domain import details as dt
from sojourn_server.domain.errors import InvalidFieldError
from sojourn_server.domain.filters import SessionFilter
from sojourn_server.ports.catalog import Fragment, TextSource
from tests.support.catalogs import KINDS
from tests.support.stories import TENANT, Active, Story, finished, started, tell


async def search(
    catalog: SqlCatalog, query: str, *sources: TextSource, tenant: str = TENANT, offset: int = 0, count: int = 50,
    **conditions: Any,
) -> dict[str, list[Fragment]]:  # fmt: skip
    """The fragments of each session found, by its id, best first."""
    wanted = SessionFilter(**conditions)
    found = await catalog.search(tenant, query, wanted, sources=frozenset(sources), offset=offset, count=count)
    return {session.id: fragments for session, fragments in found}


async def names(catalog: SqlCatalog, query: str, *sources: TextSource, **conditions: Any) -> list[str]:
    return sorted(await search(catalog, query, *sources, **conditions))


def highlighted(fragment: Fragment) -> list[str]:
    return [fragment.text[begin:end] for begin, end in fragment.spans]


async def test_all_words_must_be_in_one_text_in_any_order(catalog):
    await tell(
        catalog, Story("a").says("cancel my flight to Boston"), Story("b").says("flight").says("cancel"),
        Story("c").says("Boston: CANCEL the FLIGHT"), Story("d").says("flights cancelled"),
    )  # fmt: skip
    assert await names(catalog, "flight cancel") == ["a", "c"]
    assert await names(catalog, "boston") == ["a", "c"]
    assert await names(catalog, "flights") == ["d"]
    assert await names(catalog, "fligh") == []


async def test_words_between_quotes_stand_together(catalog):
    await tell(catalog, Story("a").says("the red fox ran"), Story("b").says("fox, red"), Story("c").says("red, fox"))
    assert await names(catalog, '"red fox"') == ["a", "c"]
    assert await names(catalog, '"red fox" ran') == ["a"]
    assert await names(catalog, '"red ran"') == []
    assert await names(catalog, '"red fox') == ["a", "c"]
    assert await names(catalog, '"fox" "red"') == ["a", "b", "c"]


async def test_what_is_written_without_a_space_stands_together(catalog):
    await tell(
        catalog, Story("a").says("mail to ann.lee@example.com on 2024-05-15"),
        Story("b").says("ann at example, lee com"),
        Story("c").says("/home/ann/report_v2.txt"), Story("d").says('{"path": "/home/ann", "HAT001": 1.5e3}'),
    )  # fmt: skip
    assert await names(catalog, "ann.lee@example.com") == ["a"]
    assert await names(catalog, "example.com") == ["a"]
    assert await names(catalog, "example") == ["a", "b"]
    assert await names(catalog, "2024-05-15") == ["a"]
    assert await names(catalog, "05") == ["a"]
    assert await names(catalog, "/home/ann") == ["c", "d"]
    assert await names(catalog, "report_v2") == ["c"]
    assert await names(catalog, "report") == ["c"]
    assert await names(catalog, "hat001") == ["d"]
    assert await names(catalog, "1.5e3") == ["d"]


async def test_languages(catalog):
    await tell(
        catalog, Story("fr").says("Déjà vu à l'hôtel"), Story("de").says("Die Straße nach Köln"),
        Story("ja").says("東京タワーへ行きました"), Story("zh").says("我想取消航班"),
        Story("ko").says("서울에서 만나요"),
        Story("hi").says("हिन्दी में लिखा"),
        Story("ru").says("Ещё один РЕЙС"), Story("el").says("Ἀθῆναι"),
        Story("tr").says("İstanbul"), Story("ar").says("مرحبا بالعالم"),
    )  # fmt: skip
    for query, name in (
        ("deja", "fr"), ("HOTEL", "fr"), ("hôtel", "fr"), ("strasse", "de"), ("koln", "de"), ("東京", "ja"),
        ("タワー", "ja"), ("取消", "zh"), ("서울", "ko"), ("हिन्दी", "hi"), ("рейс", "ru"), ("еще", "ru"),
        ("αθηναι", "el"), ("istanbul", "tr"), ("مرحبا", "ar"), ("de\u0301ja\u0300", "fr"),
    ):  # fmt: skip
        assert await names(catalog, query) == [name], query
    assert await names(catalog, "京東") == []


async def test_sources(catalog):
    story = Story("a", purpose="needle one").says("needle two").add(started("i", arguments='{"q":"needle three"}'))
    story.add(finished("i", result='"needle four"', error="needle five")).add(dt.LogDetail(1, "needle six"))
    story.add(dt.PurposeDetail("needle seven"), purpose="needle seven")
    await tell(catalog, story)
    for source, endings in (
        (TextSource.PURPOSE, {"one", "seven"}), (TextSource.MESSAGE, {"two"}), (TextSource.ARGUMENTS, {"three"}),
        (TextSource.RESULT, {"four"}), (TextSource.LOG, {"six"}),
    ):  # fmt: skip
        found = (await search(catalog, "needle", source))["a"]
        assert {fragment.source for fragment in found} == {source}
        assert all(any(word in fragment.text for word in endings) for fragment in found)
        others = await search(catalog, "needle", *(set(TextSource) - {source}))
        assert source not in {fragment.source for fragment in others["a"]}
    assert await names(catalog, "needle five", TextSource.RESULT) == ["a"]
    assert await names(catalog, "four five", TextSource.MESSAGE) == []


async def test_fragments_show_what_matched(catalog):
    long = " ".join(f"word{n}" for n in range(500))
    await tell(
        catalog, Story("a").says(f"{long} the Déjà vu hotel {long}").says("hotel"), Story("b").says("x hotel, vu")
    )
    found = await search(catalog, "VU deja")
    (fragment,) = found["a"]
    assert (fragment.source, fragment.revision) == (TextSource.MESSAGE, 2)
    assert fragment.text.startswith("…word495 ")
    assert fragment.text.endswith("…")
    assert len(fragment.text) < 300
    assert highlighted(fragment) == ["Déjà vu"]
    found = await search(catalog, "hotel vu")
    assert highlighted(found["b"][0]) == ["hotel", "vu"]
    assert found["b"][0].text == "x hotel, vu"


async def test_at_most_three_fragments_of_a_session_best_first(catalog):
    story = Story("a")
    for n in range(6):
        story.says("filler " * (5 - n) * 20 + "needle")
    await tell(catalog, story)
    found = (await search(catalog, "needle"))["a"]
    assert [fragment.revision for fragment in found] == [7, 6, 5]


async def test_better_texts_come_first(catalog):
    await tell(
        catalog, Story("mentions").says("filler " * 100 + "refund"), Story("often").says("refund refund, a refund"),
        Story("short").says("a refund"), Story("about", purpose="refund of a ticket").says("hello"),
    )  # fmt: skip
    assert list(await search(catalog, "refund")) == ["about", "often", "short", "mentions"]


async def test_of_equally_good_ones_the_newest_comes_first_and_pages_go_on(catalog):
    await tell(catalog, *[Story(f"s{n:02d}").says("needle") for n in range(25)])
    everything = list(await search(catalog, "needle"))
    assert everything == [f"s{n:02d}" for n in reversed(range(25))]
    found = [name for offset in (0, 10, 20, 30) for name in await search(catalog, "needle", offset=offset, count=10)]
    assert found == everything


async def test_with_conditions_on_sessions(catalog):
    stories = [
        Story(f"s{n:03d}", user_id=f"u{n % 2}", tags=[f"t{n % 3}"], metadata={"k": b"%d" % (n % 5)}).says("needle here")
        for n in range(400)
    ]
    await tell(catalog, *stories, Story("other").says("nothing"))
    for conditions in (
        {"user_id": "u1"}, {"all_tags": frozenset({"t2"})}, {"user_id": "u1", "metadata": {"k": b"3"}},
        {"text": "here", "user_id": "u0"}, {"created_from_us": stories[-3].session.created_us}, {"user_id": "nobody"},
    ):  # fmt: skip
        expected = {
            story.session.id for story in stories if SessionFilter(**conditions | {"text": ""}).matches(story.session)
        }
        found = await search(catalog, "needle", count=500, **conditions)
        assert set(found) == expected, conditions


async def test_another_tenants_texts_are_not_found(catalog):
    await tell(catalog, Story("a").says("needle"))
    await tell(catalog, Story("b", tenant="other", purpose="needle").says("needle"))
    assert await names(catalog, "needle") == ["a"]
    assert await names(catalog, "needle", tenant="other") == ["b"]
    assert await names(catalog, "needle", tenant="third") == []
    assert await names(catalog, "needle", text="needle") == ["a"]


async def test_every_word_is_one_of_the_engines(catalog_engine):
    """No engine finds a boundary in one, or something to escape. Of ideographs and hangul some are enough."""
    codes = [
        *range(0x3400), *range(0x3400, 0xA000, 64), *range(0xA000, 0xAC00), *range(0xAC00, 0xD800, 64),
        *range(0xF900, 0x20000), *range(0x20000, 0x30000, 256),
    ]  # fmt: skip
    everything = "".join(chr(code) for code in codes if unicodedata.category(chr(code)) != "Cn")
    for number, begin in enumerate(range(0, len(everything), 15_000)):
        text = " ".join(everything[begin : begin + 15_000])
        async with writing(catalog_engine) as connection:
            if catalog_engine.dialect.name == "postgresql":
                vector = {"vector": collecting._vector("t", text)}
                found = await connection.execute(
                    sql("SELECT unnest(tsvector_to_array(cast(:vector AS tsvector)))"), vector
                )
            else:
                row = {"rowid": number, "words": indexed_words("t", text)}
                await connection.execute(sql("CREATE VIRTUAL TABLE temp.known USING fts5vocab(main, texts_index, row)"))
                await connection.execute(insert(texts_index), row)
                found = await connection.execute(sql("SELECT term FROM temp.known"))
                await connection.execute(sql("INSERT INTO texts_index(texts_index) VALUES ('delete-all')"))
            assert set(found.scalars()) == {tenant_word("t"), *words(text)}
            if catalog_engine.dialect.name == "sqlite":
                await connection.execute(sql("DROP TABLE temp.known"))


SPECIAL = [
    '"', '""', '"""', "*", "need*", "* needle", "needle*", "NEAR", "NEAR(needle x)", "needle NEAR/3 thread", "AND",
    "OR", "NOT", "needle OR zebra", "needle AND", "-needle", "needle -thread", "+needle", "content:needle",
    "words:needle",
    "needle:", ":needle", "^needle", "needle^2", "(needle", "needle)", "()", "{needle}", "[needle]", "needle & thread",
    "needle | zebra", "!needle", "needle <-> thread", "needle <2> thread", "'needle'", "'; DROP TABLE texts; --", "%",
    "_", "\\", "\\'", "$1", ":query", "?", "needle\x00thread", "needle\nthread", "\U0001f600", "needle \U0001f600",
    "\ue000", "\ue0002d711642b726", "\ufffd", "\u202eneedle", "a" * 1000, "needle " * 140, "\ud7ff", "½", "ﷺ",
    "needle\u0301", "NEEDLE", "neEdle thRead",
]  # fmt: skip


@pytest.mark.parametrize("tenants", [1, 2])
async def test_nothing_in_a_query_is_an_operator(catalog, tenants):
    """It finds the texts that hold its words, on every engine the same ones; without a word it is refused."""
    texts = {
        "a": "needle and thread", "b": "thread needle or zebra, near not AND", "c": "content: needle 2; words",
        "d": "zebra", "e": "query 1 \ufffd drop table texts", "f": "needle x", "g": "½ ﷺ need \U0001f600",
        "h": "a" * 80,
    }  # fmt: skip
    for tenant in range(tenants):
        stories = [Story(name, tenant=f"t{tenant}").says(text) for name, text in texts.items()]
        await tell(catalog, *stories)
    for query in SPECIAL:
        try:
            wanted = phrases(query, "query")
        except InvalidFieldError:
            for field in ("query", "filter.text"):
                with pytest.raises(InvalidFieldError, match=field):
                    await (
                        search(catalog, query, tenant="t0")
                        if field == "query"
                        else catalog.list("t0", SessionFilter(text=query), after=None, count=9)
                    )
            continue
        expected = sorted(name for name, text in texts.items() if all(holds(text, phrase) for phrase in wanted))
        assert await names(catalog, query, tenant="t0") == expected, query
        listed = await catalog.list("t0", SessionFilter(text=query), after=None, count=9)
        assert sorted(session.id for session in listed) == expected, query


def holds(text: str, phrase: list[str]) -> bool:
    found = words(text)
    return any(found[i : i + len(phrase)] == phrase for i in range(len(found)))


pieces = [
    "a",
    "b",
    "A",
    "á",
    "a\u0301",
    "東",
    "京",
    "-",
    "'",
    '"',
    " ",
    "*",
    ":",
    "(",
    ")",
    "\\",
    "\x00",
    "\U0001f600",
    "½",
    "1",
]
written = st.lists(st.sampled_from(pieces), max_size=14).map("".join)


@pytest.mark.parametrize("kind", KINDS)
def test_any_query_finds_the_texts_that_hold_its_words(databases, kind):
    number = 0

    @given(st.lists(written, min_size=1, max_size=5), st.lists(written, min_size=1, max_size=5))
    @settings(max_examples=60 if kind == "sqlite" else 30, deadline=None, suppress_health_check=list(HealthCheck))
    def compare(texts: list[str], queries: list[str]) -> None:
        nonlocal number
        number += 1
        runner.run(compare_one(f"tenant{number}", texts, queries))

    async def compare_one(tenant: str, texts: list[str], queries: list[str]) -> None:
        stories = [Story(f"s{n}", tenant=tenant).says(text) for n, text in enumerate(texts)]
        await catalog.project([story.projection() for story in stories], Active(*stories).standings)
        for query in queries:
            try:
                wanted = phrases(query, "query")
            except InvalidFieldError:
                continue
            expected = [f"s{n}" for n, text in enumerate(texts) if all(holds(text, phrase) for phrase in wanted)]
            found = await search(catalog, query, tenant=tenant)
            assert sorted(found) == expected
            for fragments in found.values():
                shown = [phrase for fragment in fragments for phrase in fragment.spans]
                assert shown, "every fragment shows what matched"

    with asyncio.Runner() as runner:
        engine = open_engine(runner.run(databases.migrated(kind)))
        catalog = SqlCatalog(engine)
        try:
            compare()
        finally:
            runner.run(catalog.close())


async def test_a_word_that_is_everywhere(catalog, catalog_engine):
    """More texts than are ranked, and more than a page of a list is looked up among."""
    stories = [Story(f"s{n:04d}", user_id=f"u{n % 700}").says("common") for n in range(700)]
    for story in stories:
        story.says("common again" + (" rare" if story.session.id == "s0003" else ""))
    await tell(catalog, *stories)
    found = await search(catalog, "common", count=1000)
    assert 200 <= len(found) <= 500
    assert len(await search(catalog, "again", count=1000)) == min(
        700, searching.CANDIDATES[catalog_engine.dialect.name]
    )
    assert await names(catalog, "common", user_id="u3") == ["s0003"]
    assert await names(catalog, "rare") == ["s0003"]
    assert len(await catalog.list(TENANT, SessionFilter(text="common"), after=None, count=1000)) == 700


async def test_common_words_in_lists(catalog, monkeypatch):
    """However large the sets of a filter are, the list is the same."""
    stories = [
        Story(f"s{n:02d}", user_id=f"u{n % 2}", tags=[f"t{n % 3}"], metadata={"k": b"%d" % (n % 2)}).says(
            "common" if n % 4 else "rare"
        )
        for n in range(60)
    ]
    await tell(catalog, *stories)
    wanteds = [
        SessionFilter(text="common"), SessionFilter(text="common", all_tags=frozenset({"t1"})),
        SessionFilter(text="common", user_id="u1", metadata={"k": b"1"}),
        SessionFilter(any_tags=frozenset({"t0", "t2"})),
        SessionFilter(text="rare"), SessionFilter(metadata={"k": b"0"}, all_tags=frozenset({"t1"})),
    ]  # fmt: skip

    async def everything() -> list[Any]:
        found: list[Any] = []
        for wanted in wanteds:
            for count in (7, 100):
                page = await catalog.list(TENANT, wanted, after=None, count=count)
                place = page[-1].created_us, page[-1].id
                found.append((page, await catalog.list(TENANT, wanted, after=place, count=count)))
            found.append(await catalog.count(TENANT, wanted))
            found.append(sorted(await search(catalog, "common", all_tags=wanted.all_tags, metadata=wanted.metadata)))
        return found

    usual = await everything()
    for small, common, tried, few, enough in (
        (0, 0, 150, 300, 200), (0, 0, 10, 0, 1), (3, 3, 5, 2, 200), (0, 1000, 10, 10, 1),
    ):  # fmt: skip
        monkeypatch.setattr(searching, "TRIED", tried)
        monkeypatch.setattr(searching, "ENOUGH", enough)
        monkeypatch.setattr(planning, "SMALL", small)
        monkeypatch.setattr(planning, "COMMON", common)
        monkeypatch.setattr(planning, "TRIED", {"sqlite": (tried,), "postgresql": (tried, 4 * tried)})
        monkeypatch.setattr(searching, "FEW", few)
        assert await everything() == usual
