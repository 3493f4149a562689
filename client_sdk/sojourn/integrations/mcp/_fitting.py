"""Values that fit into a session: what is too large becomes an artifact, or is cut."""

from __future__ import annotations

import json
import logging
from typing import Any

from ...errors import SojournError
from ...session import SessionHandle

_logger = logging.getLogger("sojourn.mcp")

MOST_DEPTH = 24
"""Levels of a recorded value; the service takes a few more."""
MOST_ERROR_BYTES = 8 << 10


def cut(text: str, most_bytes: int) -> str:
    """The text, or its beginning with a word about the rest."""
    data = text.encode(errors="replace")
    if len(data) <= most_bytes:
        return text
    return f"{data[:most_bytes].decode(errors='ignore')}… [cut: {len(data)} bytes]"


async def fitting(
    value: Any, session: SessionHandle, name: str, *, most_bytes: int, artifacts: bool, keep_text: bool = True
) -> Any:
    """The value when it is small enough; else the reference of an artifact that holds it; else its beginning.

    Args:
        name: of the artifact, without an ending.
        artifacts: whether one may be made.
        keep_text: whether a text that is cut stays a text; otherwise `{"$cut": {"size_bytes": ..., "text": ...}}`.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    data = text.encode(errors="replace")
    if len(data) <= most_bytes:
        return value if _depth(value) <= MOST_DEPTH else text
    if artifacts:
        ending, kind = (".txt", "text/plain; charset=utf-8") if text is value else (".json", "application/json")
        reference = await stored(session, name + ending, data, kind)
        if reference is not None:
            return reference
    if text is value and keep_text:
        return cut(text, most_bytes)
    return {"$cut": {"size_bytes": len(data), "text": data[:most_bytes].decode(errors="ignore")}}


async def stored(session: SessionHandle, name: str, data: bytes, content_type: str) -> Any:
    """The reference of an artifact that holds the bytes; None when they could not be stored."""
    try:
        return (await session.put_artifact(name, data, content_type=content_type)).reference()
    except SojournError as error:
        _logger.warning("%s of session %s is not kept in full: %s", name, session.id, error)
        return None


def _depth(value: Any) -> int:
    """How many objects and arrays are inside each other."""
    levels, layer = 0, [value]
    while layer:
        inner: list[Any] = []
        deeper = False
        for item in layer:
            if isinstance(item, dict):
                inner.extend(item.values())
                deeper = True
            elif isinstance(item, list | tuple):
                inner.extend(item)
                deeper = True
        layer = inner
        levels += deeper
        if levels > MOST_DEPTH:
            break
    return levels
