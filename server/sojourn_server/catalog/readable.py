"""JSON as people would search it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

MOST_LEVELS = 32


def readable(raw: str | None) -> str:
    """The keys and values of a JSON document, a line each, its strings without escapes: `path: a.txt`."""
    if not raw:
        return ""
    try:
        return "\n".join(_lines(json.loads(raw), "", 0))
    except (ValueError, RecursionError):
        return raw


def _lines(value: Any, name: str, level: int) -> Iterator[str]:
    prefix = f"{name}: " if name else ""
    if level < MOST_LEVELS and isinstance(value, dict):
        if prefix:
            yield prefix.rstrip()
        for key, inner in value.items():
            yield from _lines(inner, key, level + 1)
    elif level < MOST_LEVELS and isinstance(value, list):
        if prefix:
            yield prefix.rstrip()
        for inner in value:
            yield from _lines(inner, "", level + 1)
    elif isinstance(value, str):
        yield prefix + value
    elif value is not None:
        yield prefix + json.dumps(value)
