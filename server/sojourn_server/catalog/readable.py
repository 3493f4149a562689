"""JSON as people would search it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

MOST_LEVELS = 32

# Numbers stay as they were written: they may be of any size.
_decode = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str).decode


def readable(raw: str | None) -> str:
    """The keys and values of a JSON document, a line each, its strings without escapes: `path: a.txt`. Documents within
    strings, which tools like to return, are read too."""
    if not raw:
        return ""
    try:
        text = "\n".join(_lines(_decode(raw), "", 0))
    except (ValueError, RecursionError):
        return raw
    return text.encode(errors="replace").decode()  # half a surrogate pair is no character


def _lines(value: Any, name: str, level: int) -> Iterator[str]:
    prefix = f"{name}: " if name else ""
    if isinstance(value, str) and value[:1] in ("{", "[") and level < MOST_LEVELS:
        value = _document(value)
    if isinstance(value, dict) and level < MOST_LEVELS:
        if prefix:
            yield prefix.rstrip()
        for key, inner in value.items():
            yield from _lines(inner, key, level + 1)
    elif isinstance(value, list) and level < MOST_LEVELS:
        if prefix:
            yield prefix.rstrip()
        for inner in value:
            yield from _lines(inner, "", level + 1)
    elif isinstance(value, str):
        yield prefix + value
    elif value is not None:
        yield prefix + json.dumps(value)


def _document(text: str) -> Any:
    try:
        return _decode(text)
    except (ValueError, RecursionError):
        return text
