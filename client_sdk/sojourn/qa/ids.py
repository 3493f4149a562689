"""Ids of sessions, browsers and runs."""

from __future__ import annotations

import time
from uuid import uuid4

SESSION_KIND = "qa-session"
"""Kind of the sessions of QA tests; the server mints `qa-session-<unix seconds>-<hex>` for them."""


def session_id() -> str:
    """An id for what is no session of a server yet; of the same form as the server's."""
    return f"{SESSION_KIND}-{int(time.time())}-{uuid4().hex[:12]}"


def browser_id() -> str:
    """An id for the browser of a run."""
    return f"browser-{uuid4().hex}"


def run_id(session: str, number: int) -> str:
    """The id of a session's run; the first is number 1."""
    return f"test-{session}-{number}"
