"""Checks of JSON values: valid, not too large, not too deep. Checked once at the edge, then the bytes are passed
through."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from .errors import InvalidFieldError, TooLargeError


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=str, parse_float=str).decode
"""Numbers stay text: their value does not matter here, and a number of a million digits must cost nothing."""


def check_json(raw: bytes, field: str, *, max_bytes: int, max_depth: int) -> bytes:
    """Returns `raw` without white space around it if it is one JSON document (RFC 8259) within the limits.

    Raises:
        InvalidFieldError: not UTF-8, not JSON, or nested deeper than `max_depth`.
        TooLargeError: more than `max_bytes` bytes.
    """
    if len(raw) > max_bytes:
        raise TooLargeError(field, actual=len(raw), limit=max_bytes)
    if raw.isdigit() and (raw[0] != 48 or len(raw) == 1):
        return raw
    try:
        document = _decode(raw.decode())
    except RecursionError:
        raise _too_deep(field, max_depth) from None
    except ValueError as error:
        raise InvalidFieldError(field, f"one JSON document in UTF-8 ({error})") from None
    if raw.count(b"{") + raw.count(b"[") > max_depth and _depth(document) > max_depth:
        raise _too_deep(field, max_depth)
    return raw.strip(b" \t\r\n")


def _too_deep(field: str, max_depth: int) -> InvalidFieldError:
    return InvalidFieldError(field, f"JSON nested at most {max_depth} levels deep")


def _depth(document: Any) -> int:
    """Levels of nesting, counted breadth first: never recurse on what a caller sent."""
    depth, level = 0, [document]
    while level:
        nested = [item for item in level if isinstance(item, (dict, list))]
        if not nested:
            break
        depth += 1
        level = [child for item in nested for child in (item.values() if isinstance(item, dict) else item)]
    return depth
