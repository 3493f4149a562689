"""Which JSON values a session can hold, and what JSON value a text spells."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 32
"""Levels of nesting the service takes by default."""


def value_of(text: Any) -> Any:
    """The JSON value a text spells; what is not text, not JSON or not fit to be stored stays as it is."""
    if not isinstance(text, str):
        return text
    try:
        value = json.loads(text, parse_constant=_refuse)
        return value if is_storable(value) else text
    except (ValueError, RecursionError):
        return text


def is_storable(value: Any) -> bool:
    """Whether the value is JSON in UTF-8, nested at most MAX_DEPTH levels. Goes level by level, never recursing."""
    level, depth = [value], 0
    while level:
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += [*item.keys(), *item.values()]
            elif isinstance(item, list | tuple):
                below += item
            elif not _is_fit(item):
                return False
        depth += any(isinstance(item, dict | list | tuple) for item in level)
        level = below
    return depth <= MAX_DEPTH


def _is_fit(scalar: Any) -> bool:
    return math.isfinite(scalar) if isinstance(scalar, float) else not isinstance(scalar, str) or is_utf8(scalar)


def is_utf8(text: str) -> bool:
    """Whether the text can be UTF-8; a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
