"""JSON documents of files that anybody may have written: every member is checked before it is used."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NoReturn, TypeVar

from ..domain.errors import InvalidFieldError, TooLargeError

INT64_MAX = 2**63 - 1
E = TypeVar("E", bound=IntEnum)
T = TypeVar("T")


class ContentError(ValueError):
    """What is wrong with the content of a frame."""


class Document:
    """An object of a document. Members that are not there have the default; those nobody asks for are ignored."""

    def __init__(self, members: dict[str, Any], path: str = "") -> None:
        self._members = members
        self._path = path

    def wrong(self, name: str, expected: str) -> ContentError:
        return ContentError(f"{self._path}{name}: expected {expected}")

    def member(self, name: str) -> Document:
        """An object; empty when it is not there."""
        found = self._members.get(name, {})
        if not isinstance(found, dict):
            raise self.wrong(name, "an object")
        return Document(found, f"{self._path}{name}.")

    def each(self, name: str, parse: Callable[[Document, str], T], check: Callable[[str], object]) -> dict[str, T]:
        """All members of an object, by their checked names."""
        inner = self.member(name)
        return {inner._checked(key, check): parse(inner, key) for key in inner._members}

    def text(self, name: str, check: Callable[[str], object] | None = None, default: str | None = "") -> str:
        """A string; with `check`, one that this lets pass. A default of None: it must be there."""
        found = self._members.get(name, default)
        if not isinstance(found, str):
            raise self.wrong(name, "a string")
        if check is not None:
            self._checked(found, check)
        return found

    def texts(self, name: str, check: Callable[[str], object]) -> list[str]:
        """A list of strings."""
        found = self._members.get(name, [])
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise self.wrong(name, "a list of strings")
        for item in found:
            self._checked(item, check)
        return found

    def number(self, name: str, low: int = 0, high: int = INT64_MAX, default: int | None = 0) -> int:
        """An integer from `low` to `high`. A default of None: it must be there."""
        found = self._members.get(name, default)
        if type(found) is not int or not low <= found <= high:
            raise self.wrong(name, f"an integer from {low} to {high}")
        return found

    def number_or_none(self, name: str, high: int = INT64_MAX) -> int | None:
        """An integer from 0 to `high`, or null."""
        return None if self._members.get(name) is None else self.number(name, 0, high)

    def flag(self, name: str) -> bool:
        """True or false."""
        found = self._members.get(name)
        if not isinstance(found, bool):
            raise self.wrong(name, "true or false")
        return found

    def enum(self, name: str, kind: type[E]) -> E:
        """The member of an enumeration with this name."""
        found = self._members.get(name)
        if not isinstance(found, str) or found not in kind.__members__:
            raise self.wrong(name, f"one of {', '.join(kind.__members__)}")
        return kind[found]

    def _checked(self, value: str, check: Callable[[str], object]) -> str:
        try:
            check(value)
        except (InvalidFieldError, TooLargeError) as error:
            raise ContentError(f"{self._path}{error.message}") from None
        return value


def parse_object(raw: bytes) -> Document:
    """Raises ContentError unless `raw` is a JSON object in UTF-8. However deep it is nested, it does no harm."""
    try:
        text = raw.decode()
        found = _decode(text)
        if _HALF_PAIR(text):
            json.dumps(found, ensure_ascii=False).encode()
    except UnicodeError:
        raise ContentError("expected UTF-8") from None
    except RecursionError:
        raise ContentError("expected JSON that is not nested so deep") from None
    except ValueError:
        raise ContentError("expected JSON") from None
    if not isinstance(found, dict):
        raise ContentError("expected a JSON object")
    return Document(found)


def render_object(members: dict[str, Any]) -> bytes:
    """A JSON object in UTF-8, without spaces."""
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]").search
"""An escape that may be half a surrogate pair, which is no character."""
