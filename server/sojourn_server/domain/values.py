"""Checks of JSON values: valid, not too large, not too deep. Checked once at the edge, then the bytes are passed
through."""

from __future__ import annotations

import json
import re
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


def canonical_json(raw: bytes) -> str:
    """The one way to write a JSON value: two values are equal exactly when their canonical texts are.

    1, 1.0 and 10e-1 are one number; true is none. Of a key that an object has twice the last counts. `raw` was checked
    by `check_json`.
    """
    return _canonical(_decode_numbers(raw.decode()))


class _Number(str):
    """A number's canonical text."""

    __slots__ = ()


def _number(text: str) -> _Number:
    """Digits without zeros at either end, and an exponent. Numbers stay text: they may be of any size."""
    match = _NUMBER(text)
    assert match is not None
    sign, whole, fraction, exponent = match.groups(default="")
    digits = (whole + fraction).lstrip("0")
    shifted = len(digits) - len(digits := digits.rstrip("0")) - len(fraction)
    if not digits:
        return _Number("0")
    if len(exponent) > 18:  # beyond any number that is computed with
        return _Number(f"{sign}{digits}e{shifted}e{exponent}")
    return _Number(f"{sign}{digits}e{int(exponent or 0) + shifted}")


_NUMBER = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?").fullmatch
_decode_numbers = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_number, parse_float=_number).decode


def _canonical(value: Any) -> str:
    if isinstance(value, _Number):
        return value
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return json.dumps(value)


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
