"""How well a text matches, and the piece of it to show: in Python, so that both engines rank and show alike."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .matching import Phrase
from .words import spans, words

WORDS = 24
"""Of a fragment."""
BEFORE = 6
"""Of them before what matched."""
_MARGIN = 20
"""Most characters shown beside the outer words: between two words may be a page of dashes."""
_USUAL = 600.0
"""Characters of a usual text."""
_FURTHER = 500
"""Words that are looked at after the first match."""


class Score:
    """How well texts match: the more often a text holds the phrases, in view of its length, the better (BM25 without
    the weights of the words: a text must hold them all anyway)."""

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        self._phrases = phrases
        self._ascii = [re.compile(_pattern(phrase)).findall for phrase in phrases]

    def of(self, beginning: str, length: int) -> float:
        """The score of a text of so many characters; so much of it as `beginning` is looked at."""
        if beginning.isascii():
            lowered = beginning.lower()
            counts = [len(find(lowered)) for find in self._ascii]
        else:
            found = words(beginning)
            counts = [len(_places(found, phrase)) for phrase in self._phrases]
        damping = 1.2 * (0.25 + 0.75 * length / _USUAL)
        # A text that was found holds every phrase, if further on than its beginning.
        return sum(2.2 * max(1, count) / (max(1, count) + damping) for count in counts)


def _pattern(phrase: Phrase) -> str:
    """Finds a phrase in lower case. It begins with letters, which are searched for quickly; what must not be before
    them is looked at afterwards."""
    first, *others = phrase
    return rf"{'[^a-z0-9]+'.join([f'{first}(?<![a-z0-9]{first})', *others])}(?![a-z0-9])"


def fragment(text: str, phrases: Sequence[Phrase]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The piece of a text where most matches, and where in the piece it matches: (begin, end) in characters."""
    found = _beginning(text, phrases)
    if not found:
        return "", ()
    hits = _hits([word for _, _, word in found], phrases)
    first = max(0, _densest(hits) - BEFORE)
    last = min(first + WORDS, len(found)) - 1
    begin = max(found[first][0] - _MARGIN, found[first - 1][1] if first else 0)
    end = min(found[last][1] + _MARGIN, found[last + 1][0] if last + 1 < len(found) else len(text))
    before, after = "…" if begin else "", "…" if end < len(text) else ""
    piece = text[begin:end].strip()
    shift = len(before) - begin - (len(text[begin:end]) - len(text[begin:end].lstrip()))
    marked = [(found[hit][0] + shift, found[hit][1] + shift) for hit in hits if first <= hit <= last]
    return before + piece + after, _joined(marked, before + piece)


def _beginning(text: str, phrases: Sequence[Phrase]) -> list[tuple[int, int, str]]:
    """The words of a text, some way past the first match."""
    by_end: dict[str, list[list[str]]] = {}
    for phrase in phrases:
        by_end.setdefault(phrase[-1], []).append(list(phrase))
    found: list[tuple[int, int, str]] = []
    most = None
    for span in spans(text):
        found.append(span)
        if most is None:
            for phrase in by_end.get(span[2], ()):
                if [word for _, _, word in found[-len(phrase) :]] == phrase:
                    most = len(found) + _FURTHER
        elif len(found) >= most:
            break
    return found


def _hits(found: Sequence[str], phrases: Sequence[Phrase]) -> list[int]:
    """Which words belong to a phrase that matched, in order."""
    return sorted({place + i for phrase in phrases for place in _places(found, phrase) for i in range(len(phrase))})


def _places(found: Sequence[str], phrase: Phrase) -> list[int]:
    """Where a phrase begins."""
    size, wanted = len(phrase), list(phrase)
    return [
        place for place, word in enumerate(found)
        if word == wanted[0] and (size == 1 or found[place : place + size] == wanted)
    ]  # fmt: skip


def _densest(hits: Sequence[int]) -> int:
    """The hit after which, with itself, most others are in one fragment."""
    best, most, last = 0, 0, 0
    for i, hit in enumerate(hits):
        while last < len(hits) and hits[last] < hit + WORDS - BEFORE:
            last += 1
        if last - i > most:
            best, most = hit, last - i
    return best


def _joined(spans: Sequence[tuple[int, int]], piece: str) -> tuple[tuple[int, int], ...]:
    """Words that stand together are shown as one."""
    joined: list[tuple[int, int]] = []
    for begin, end in spans:
        if joined and not piece[joined[-1][1] : begin].strip():
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return tuple(joined)
