"""Finding sessions by their texts: what the recorded conversations' own logs hold is what is found."""

from collections import Counter
from itertools import pairwise
from uuid import uuid4

import pytest

import sojourn as sdk
from tests.support.replayed import words

RECORDED = {"kind": "replay"}


@pytest.fixture
def corpus(replayed):
    return replayed.sessions


@pytest.fixture
async def client(replayed):
    async with sdk.Client(replayed.target) as client:
        yield client


@pytest.fixture
def unique():
    """A word that no other test has; sessions a test makes carry it as project, so that others do not see them."""
    return f"w{uuid4().hex[:12]}"


async def ids(sessions):
    return [session.id async for session in sessions]


def samples(corpus):
    """Queries made of the recordings' own words, rare and frequent: words, pairs of words, phrases."""
    frequency = Counter(word for each in corpus for text in each.texts for word in set(text.words))
    known = sorted((count, word) for word, count in frequency.items() if 2 <= count <= 300 and len(word) > 2)
    singles = [[[word]] for _, word in known[:: len(known) // 20]]
    long = [text for each in corpus for text in each.texts if len(text.words) > 30][::100]
    pairs = [[[text.words[3]], [text.words[20]]] for text in long]
    phrases = [[text.words[5:8]] for text in long[::2]] + [[text.words[11:13], text.words[2:3]] for text in long[1::2]]
    turned = [[[second, first]] for (first, second) in pairwise(long[0].words[:6])]
    return singles + pairs + phrases + turned


def written(phrases):
    """A query as people write it."""
    return " ".join(phrase[0] if len(phrase) == 1 else f'"{" ".join(phrase)}"' for phrase in phrases)


def frequent(corpus, phrases):
    """Whether so many texts match that the server ranks only the newest."""
    return sum(text.holds(*phrases) for each in corpus for text in each.texts) > 800


class TestTexts:
    async def test_lists_counts_and_searches_find_what_the_logs_hold(self, client, corpus):
        queries = [phrases for phrases in samples(corpus) if not frequent(corpus, phrases)]
        assert len(queries) > 40
        for phrases in queries:
            query = written(phrases)
            wanted = [each.info.id for each in corpus if each.holds(*phrases)]
            assert await ids(client.list_sessions(**RECORDED, text=query)) == wanted, query
            assert await client.count_sessions(**RECORDED, text=query) == len(wanted), query
            found = [found.session.id async for found in client.search(query, **RECORDED)]
            assert sorted(found) == sorted(wanted), query

    @pytest.mark.parametrize("source", ["message", "arguments", "result"])
    async def test_a_search_through_some_texts(self, client, corpus, source):
        for word in ("economy", "certificate", "cancel"):
            wanted = {each.info.id for each in corpus if each.holds([word], sources=[source])}
            found = [found async for found in client.search(word, sources=source, **RECORDED)]
            assert {each.session.id for each in found} == wanted, word
            assert {fragment.source for each in found for fragment in each.fragments} <= {source}

    async def test_a_search_under_conditions(self, client, corpus):
        conditions = {"user_id": "user-3", "metadata": {"reward": 1.0}, "created_after": corpus[-1].info.create_time}
        wanted = {
            each.info.id
            for each in corpus
            if each.holds(["economy"]) and each.info.user_id == "user-3" and each.info.metadata["reward"] == 1
        }
        assert {found.session.id async for found in client.search("economy", **conditions)} == wanted != set()

    async def test_fragments_are_pieces_of_the_texts_and_show_the_words(self, client, corpus):
        known = {each.info.id: each for each in corpus}
        for query in ("travel insurance", '"travel insurance"', "Certificate", "CANCEL refund"):
            asked = set(words(query))
            found = [found async for found in client.search(query, **RECORDED, limit=30)]
            assert found, query
            for each in found:
                assert 1 <= len(each.fragments) <= 3
                for fragment in each.fragments:
                    [*same] = [
                        text
                        for text in known[each.session.id].texts
                        if (text.source, text.revision) == (fragment.source, fragment.revision)
                        and asked <= set(text.words)
                    ]
                    assert same, fragment
                    shown = [fragment.text[begin:end] for begin, end in fragment.highlights]
                    assert shown, fragment
                    assert {word for piece in shown for word in words(piece)} <= asked, fragment

    async def test_a_purpose_a_log_line_and_an_error_are_texts(self, client, unique):
        session = await client.create_session(f"{unique}-s", project=unique, purpose="Refund for Zoë, née Müller")
        await session.log("gateway 10.2.3.4 timed out", level="warning")
        with pytest.raises(RuntimeError):
            async with session.invocation("pay", arguments={"amount": 12}):
                raise RuntimeError("card declined")
        for query, source, revision in (
            ("zoë", "purpose", 1),
            ("muller née", "purpose", 1),
            ("gateway", "log", 2),
            ("12", "arguments", 3),
            ('"card declined"', "result", 4),
        ):
            [found] = [found async for found in client.search(query, project=unique)]
            [fragment] = found.fragments
            assert (fragment.source, fragment.revision) == (source, revision), query

    async def test_words_of_values_are_found_whatever_json_makes_of_them(self, client, unique):
        session = await client.create_session(f"{unique}-s", project=unique)
        async with session.invocation("run", arguments={"script": 'print("hallo")\nexit()\ttab'}) as call:
            call.result = 'first line\nsecond line\r\n"third" line \\n fourth — Straße 🛫'
        for query in ("hallo", "exit", "tab", "second", "third", "fourth", "straße", '"first line"', '"second line"'):
            assert [found.session.id async for found in client.search(query, project=unique)] == [session.id], query

    @pytest.mark.parametrize("query", ["...", '""', "a" * 2000])
    async def test_what_cannot_be_searched_for_is_refused(self, client, query):
        with pytest.raises(sdk.InvalidRequestError):
            await anext(client.search(query))
        with pytest.raises(sdk.InvalidRequestError):
            await client.count_sessions(text=query)

    @pytest.mark.parametrize(
        "query", ["' OR 1=1 --", "refund* AND (NOT x)", "content:refund", "^refund NEAR(a b)", "%", "_"]
    )
    async def test_nothing_in_a_query_is_an_operator(self, client, corpus, query):
        phrases = [[word] for word in words(query)]
        wanted = {each.info.id for each in corpus if phrases and each.holds(*phrases)}
        try:
            found = {session.id async for session in client.list_sessions(**RECORDED, text=query)}
        except sdk.InvalidFieldError:
            assert not phrases
        else:
            assert found <= wanted
