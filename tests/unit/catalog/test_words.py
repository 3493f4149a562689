"""What a word is."""

import unicodedata

import pytest

from sojourn_server.catalog import words as w
from sojourn_server.catalog.fragments import Score, fragment
from sojourn_server.domain.errors import InvalidFieldError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("snake_case kebab-case a.b@c.de 1e5 v2", ["snake", "case", "kebab", "case", "a", "b", "c", "de", "1e5", "v2"]),
        ("Déjà ÄÖÜ straße İ", ["deja", "aou", "strasse", "i"]),
        ("cafe\u0301 café", ["cafe", "cafe"]),
        ("東京 カ\u3099 한글", ["東", "京", "ガ", "한", "글"]),
        ("a東b", ["a", "東", "b"]),
        ("हिन्दी", ["हिन्दी"]),
        ("½ ①", ["½", "①"]),
        ("\U0001f600a\U0001f600b\x00c\ue000d", ["a", "b", "c", "d"]),
        ("", []),
        (" -_*\"' ", []),
    ],
)
def test_words(text, expected):
    assert w.words(text) == expected
    assert [word for _, _, word in w.spans(text)] == expected


def test_ascii_is_read_like_everything_else():
    text = "".join(map(chr, range(128))) * 3 + " " + "x" * 100 + " A1b2"
    assert w.words(text) == [word for _, _, word in w.spans(text)]
    assert w.words(text + " é") == [*w.words(text), "e"]


def test_spans_tell_where_a_word_is():
    text = "Ünïcödé, 東京 ok"
    assert [(text[begin:end], word) for begin, end, word in w.spans(text)] == [
        ("Ünïcödé", "unicode"), ("東", "東"), ("京", "京"), ("ok", "ok"),
    ]  # fmt: skip


@pytest.mark.parametrize("piece", ["word ", "w0rd", "é ", "東", "ﷺ1 ", "\U0001d400" * 70 + " ", "a" * 300 + " "])
def test_of_a_long_text_the_beginning_counts(piece):
    found = w.words(piece * (1_000_000 // len(piece)))
    assert 1 <= len(found) <= w.MOST_WORDS
    assert max(map(len, found)) <= w.LONGEST
    assert sum(len(word.encode()) + 4 for word in found) < 1 << 20


def test_every_word_is_a_token_of_the_engines():
    """Letters, digits and marks alone: no engine finds a boundary in one, or something to escape."""
    text = " ".join(map(chr, (*range(0xD800), *range(0xE000, 0x30000))))
    for word in w.words(text[:200_000]) + w.words(text[200_000:400_000]):
        assert not {unicodedata.category(character) for character in word} & {"Cc", "Co", "Zs", "Zl", "Zp"}, word
        assert not {unicodedata.category(character)[0] for character in word} & {"P", "S"}, word


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a b", [["a"], ["b"]]),
        ('"a b" c', [["a", "b"], ["c"]]),
        ('a-b "c', [["a", "b"], ["c"]]),
        ('a"b c"d', [["a"], ["b", "c"], ["d"]]),
        ("a A á", [["a"]]),
        ('"" -- a', [["a"]]),
        ("東京", [["東", "京"]]),
    ],
)
def test_phrases(query, expected):
    assert w.phrases(query, "query") == expected


@pytest.mark.parametrize("query", ["", " ", '""', "*", "\U0001f600", " ".join(f"w{n}" for n in range(65))])
def test_queries_without_a_word_or_with_too_many_are_refused(query):
    with pytest.raises(InvalidFieldError, match="query: expected 1 to 64 words or phrases"):
        w.phrases(query, "query")


def test_a_tenants_word_is_in_no_text():
    word = w.tenant_word("default")
    assert word not in w.words(word)
    assert word != w.tenant_word("other")
    assert w.indexed_words("default", "a b") == f"{word} a b"


def shown(text: str, query: str) -> tuple[str, list[str]]:
    piece, spans = fragment(text, w.phrases(query, "query"))
    return piece, [piece[begin:end] for begin, end in spans]


def test_fragments():
    assert shown("one two", "two") == ("one two", ["two"])
    assert shown("  one -- TWO!  ", "two one") == ("one -- TWO!", ["one", "TWO"])
    assert shown("one two three", '"one two" three') == ("one two three", ["one two three"])
    assert shown("x" * 50 + " one", "one")[1] == ["one"]
    assert shown("nothing of it", "one") == ("nothing of it", [])
    assert shown("\U0001f600", "one") == ("", [])
    piece, marked = shown("- " * 5_000 + "one" + " -" * 5_000, "one")
    assert (len(piece) < 60, marked) == (True, ["one"])


def test_a_fragment_is_taken_where_most_matches():
    text = "one " + "x " * 100 + "two one two " + "y " * 100 + "two"
    piece, marked = shown(text, "one two")
    assert marked == ["two one two"]
    assert piece.startswith("…x x x x x x two one two y")
    assert piece.endswith("y…")


def test_scores():
    def score(text: str, query: str = "one two", whole: int = 0) -> float:
        return Score(w.phrases(query, "query")).of(text, whole or len(text))

    assert score("one two") > score("one two " + "x " * 100)
    assert score("one one two") > score("one two xxx")
    assert score("ONE óne two") == pytest.approx(score("one one two"))
    assert score("one stone bone", "one") == pytest.approx(score("one stane bane", "one"))
    assert score("x", whole=10_000) > 0
