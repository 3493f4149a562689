"""What a word is: the same for both engines, in texts and in queries.

A word is a run of letters and digits, without regard to case and to the accents of Latin, Greek and Cyrillic letters.
Scripts that are written without spaces (Chinese, Japanese, and Korean for its endings) have a word in every character,
so that a part of a sentence is found as a phrase. The engines' own ideas of a word differ too much: PostgreSQL takes
an address or a path for one word, SQLite takes it apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import islice

from ..domain.errors import InvalidFieldError

MOST_CHARACTERS = 200_000
"""Of a longer text the beginning is searched."""
MOST_WORDS = 16_383
"""So many places of words PostgreSQL can tell apart in a text."""
LONGEST = 64
"""Characters of a word that count: what is longer is no word that people look for."""
MOST_PHRASES = 64
"""Of a query."""
_ROOM = 225_000
"""Characters of all words of a text: four bytes each are less than the megabyte an index entry may have."""


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    if text.isascii():  # five times as fast
        plain = text[:MOST_CHARACTERS].lower().translate(_ASCII_WORDS).split()[:MOST_WORDS]
        return plain if max(map(len, plain), default=0) <= LONGEST else [word[:LONGEST] for word in plain]
    found, room = [], _ROOM
    for _, _, word in islice(spans(text[:MOST_CHARACTERS]), MOST_WORDS):
        room -= len(word)
        if room < 0:
            break
        found.append(word)
    return found


def indexed_words(tenant: str, text: str) -> str:
    """What SQLite's index is told of a text: the words it is found by."""
    return " ".join([tenant_word(tenant), *words(text)])


def spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Where the words of a text are: (begin, end, word), in characters."""
    for match in _WORD(text):
        yield match.start(), match.end(), _folded(match[0])


def phrases(query: str, field: str) -> list[list[str]]:
    """What a query asks for: phrases, each of one word or more.

    Words between double quotes stand together, and so do the words of what was written without a space (`foo-bar`).

    Raises:
        InvalidFieldError: nothing to look for, or too much.
    """
    found: list[list[str]] = []
    for match in _TERM(query):
        phrase = words(match[1] if match[1] is not None else match[2])
        if phrase and phrase not in found:
            found.append(phrase)
    if not 1 <= len(found) <= MOST_PHRASES:
        raise InvalidFieldError(field, f"1 to {MOST_PHRASES} words or phrases")
    return found


@lru_cache(maxsize=4096)
def tenant_word(tenant: str) -> str:
    """Stands in every text of a tenant and in every query, so that a search looks only at the tenant's own texts. No
    text can hold it: its first character is of no word."""
    return "\ue000" + blake2b(tenant.encode(), digest_size=6).hexdigest()


@lru_cache(maxsize=65_536)
def _folded(word: str) -> str:
    if word.isascii():
        return word[:LONGEST].lower()
    plain = _ACCENTS("", unicodedata.normalize("NFD", word[: 4 * LONGEST].casefold()))
    return unicodedata.normalize("NFC", plain)[:LONGEST]


def _marks() -> str:
    """Ranges of the characters that change the letter before them: accents, vowel signs, ..."""
    found: list[list[int]] = []
    for code in range(0x300, 0x10000):
        if unicodedata.category(chr(code))[0] == "M":
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)


_ALONE = (
    "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # ideographs
    "\uac00-\ud7a3"  # hangul
)
_MARKS = _marks()
_WORD = re.compile(rf"[{_ALONE}][{_MARKS}]*|[^\W_{_ALONE}]+(?:[{_MARKS}]+[^\W_{_ALONE}]*)*").finditer
_ASCII_WORDS = {code: " " for code in range(128) if not chr(code).isalnum()}
_ACCENTS = re.compile("[\u0300-\u036f]").sub
_TERM = re.compile(r'"([^"]*)"?|([^\s"]+)').finditer
