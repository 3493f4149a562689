"""What a request may look like: syntax of names and sizes, each with a clear error."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import InvalidFieldError, TooLargeError

_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~@+=-]{0,127}").fullmatch
_KIND = re.compile(r"[a-z][a-z0-9-]{0,63}").fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search


@dataclass(frozen=True, slots=True)
class Limits:
    """The server's limits; sizes in bytes. The defaults are documented in docs/protocol.md."""

    value_bytes: int = 1 << 20
    value_depth: int = 32
    text_bytes: int = 1 << 20
    state_bytes: int = 16 << 20
    changes_per_write: int = 1000
    fields_per_write: int = 10_000
    write_bytes: int = 3 << 20
    batch_items: int = 1000
    tags: int = 64
    tag_bytes: int = 64
    key_bytes: int = 256
    label_bytes: int = 256
    purpose_bytes: int = 4096
    error_bytes: int = 16_384
    writer_bytes: int = 128
    page_size: int = 1000
    default_page_size: int = 100


def check_session_id(value: str, field: str = "session_id") -> str:
    """Raises InvalidFieldError unless `value` can name a session."""
    if not _SESSION_ID(value):
        expected = "1 to 128 letters, digits and . _ ~ @ + = - that begin with a letter or digit"
        raise InvalidFieldError(field, expected)
    return value


def check_kind(value: str) -> str:
    """Raises InvalidFieldError unless `value` can be the kind of a session."""
    if not _KIND(value):
        raise InvalidFieldError("kind", "1 to 64 lower-case letters, digits and - that begin with a letter")
    return value


def check_text(value: str, field: str, max_bytes: int) -> str:
    """Raises TooLargeError when `value` has more than `max_bytes` bytes in UTF-8."""
    if len(value) * 4 > max_bytes and (size := len(value.encode())) > max_bytes:
        raise TooLargeError(field, actual=size, limit=max_bytes)
    return value


def check_name(value: str, field: str, max_bytes: int) -> str:
    """Raises unless `value` is a non-empty name of at most `max_bytes` bytes without control characters."""
    if not value or _CONTROL(value):
        raise InvalidFieldError(field, f"1 to {max_bytes} bytes without control characters")
    return check_text(value, field, max_bytes)


def check_label(value: str, field: str, max_bytes: int) -> str:
    """Like `check_name`, but may be empty."""
    return check_name(value, field, max_bytes) if value else value


def check_count(count: int, field: str, limit: int, unit: str) -> None:
    """Raises unless 1 <= count <= limit."""
    if count < 1:
        raise InvalidFieldError(field, f"1 to {limit} {unit}")
    if count > limit:
        raise TooLargeError(field, actual=count, limit=limit, unit=unit)
