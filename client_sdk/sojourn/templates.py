"""Templates: what new sessions of a kind begin with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from .changes import Model

__all__ = ["Template"]


class Template(Model):
    """What sessions created from it begin with, as far as `create_session` does not say otherwise. Empty text, None and
    0 leave it to the server."""

    name: str
    description: str = ""
    kind: str = ""
    project: str = ""
    purpose: str = ""
    tags: tuple[str, ...] = ()
    """The creator's are added."""
    metadata: dict[str, Any] = Field(default_factory=dict)
    """The creator's values win, key by key; those of `state` too."""
    state: dict[str, Any] = Field(default_factory=dict)
    idle_timeout: timedelta | None = None
    max_lifetime: timedelta | None = None
    max_concurrent_requests: int = 0
    create_time: datetime | None = None
    """When it was stored; None in one that was not."""
