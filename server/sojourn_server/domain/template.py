"""Templates: what new sessions of a kind begin with."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .errors import InvalidFieldError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}").fullmatch


@dataclass(frozen=True, slots=True)
class Template:
    """What sessions created from it begin with, as far as their creator does not say otherwise. Empty strings, zero and
    None leave it to the server."""

    name: str
    description: str = ""
    kind: str = ""
    project: str = ""
    purpose: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, bytes] = field(default_factory=dict)
    state: dict[str, bytes] = field(default_factory=dict)
    idle_timeout_ms: int | None = None
    max_lifetime_ms: int | None = None
    max_concurrent_requests: int = 0
    created_us: int = 0


def check_template_name(value: str, field: str = "name") -> str:
    """Raises InvalidFieldError unless `value` can name a template."""
    if not _NAME(value):
        raise InvalidFieldError(field, "1 to 64 letters, digits and . _ - that begin with a letter or digit")
    return value
