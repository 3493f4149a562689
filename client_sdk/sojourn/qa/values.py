"""What sessions can hold of what tests make."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from .errors import OutputError

MOST_BYTES = 1 << 20
"""Of a value as JSON."""

EXPECTED = (
    "JSON values, pydantic models or dataclasses of at most 1 MiB; live objects go to `context.local`, "
    "and what is larger becomes an artifact"
)


def as_json(value: Any, what: str, node: str = "") -> Any:
    """The value as JSON has it, as it is read from the session later on. Raises OutputError."""
    try:
        text = json.dumps(to_jsonable_python(value), allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
        raise OutputError(f"{what} cannot be kept: {error}", node=node, expected=EXPECTED) from error
    if size > MOST_BYTES:
        raise OutputError(f"{what} cannot be kept: it has {size:,} bytes", node=node, expected=EXPECTED)
    return json.loads(text)


class Values(dict[str, Any]):
    """Values by name, which a session can hold: setting any other raises OutputError, and sets nothing.

    what: what they are, for people.
    """

    def __init__(self, what: str, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(values or {})
        self._what = what

    def __setitem__(self, name: str, value: Any) -> None:
        as_json(value, f"{self._what} {name!r}")
        super().__setitem__(name, value)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """As of dict."""
        if name not in self:
            self[name] = default
        return self[name]

    def update(self, *values: Any, **named: Any) -> None:
        """As of dict."""
        for name, value in dict(*values, **named).items():
            self[name] = value

    def __ior__(self, values: Any) -> Values:  # type: ignore[override,misc]
        self.update(values)
        return self

    def replace(self, values: Mapping[str, Any]) -> None:
        """Hold these and no others."""
        others = dict(values)
        for name, value in others.items():
            as_json(value, f"{self._what} {name!r}")
        self.clear()
        super().update(others)

    def revert(self, recorded: Mapping[str, Any], *, all_new: bool) -> None:
        """Put back what is recorded, in the place of what cannot be kept, or of all that is new."""
        for name, value in list(self.items()):
            try:
                kept = as_json(value, self._what)
                wrong = all_new and (name not in recorded or recorded[name] != kept)
            except OutputError:
                wrong = True
            if wrong and name in recorded:
                super().__setitem__(name, recorded[name])
            elif wrong:
                del self[name]
