"""Texts of tests, made fit to be sent: whatever a test prints, and however much of it."""

from __future__ import annotations

import hashlib
import re

NAME_BYTES = 256
"""Longest name of a step."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DIGEST = 12


def clean(text: str) -> str:
    """The text as valid Unicode without NUL; what cannot be encoded is written as an escape."""
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "backslashreplace").decode()
    return text


def bounded(text: str, limit: int) -> str:
    """The text, clean, in at most `limit` bytes: of a longer one its beginning and, for the most part, its end."""
    if len(text) > limit:
        # At first by characters: a gigabyte is never copied as a whole.
        text = text[: limit // 4] + _gap(len(text) - limit // 4 * 4) + text[-(limit // 4 * 3) :]
    text = clean(text)
    data = text.encode()
    if len(data) <= limit:
        return text
    gap = _gap(len(data) - limit)
    room = max(0, limit - len(gap) - 16)  # the number of bytes left out may have more digits than estimated
    head, tail = data[: room // 4], data[len(data) - (room - room // 4) :] if room else b""
    return head.decode(errors="ignore") + gap + tail.decode(errors="ignore")


def step_name(nodeid: str) -> str:
    """Name of the test's step: its node id, or where that cannot be a name one made of it, the same every time."""
    name = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", clean(nodeid)) or "?"
    data = name.encode()
    if len(data) <= NAME_BYTES:
        return name
    digest = hashlib.sha256(data).hexdigest()[:_DIGEST]
    return f"{data[: NAME_BYTES - _DIGEST - 3].decode(errors='ignore')}...{digest}"


def label(text: str) -> str:
    """The text as a project, tag or other short label; empty text stays empty."""
    return step_name(text) if text else ""


def _gap(size: int) -> str:
    return f"\n[... {size:,} left out ...]\n"
