"""Requests, and the pools they take slots from, as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich import box
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sojourn.enums import RequestState

from ._tables import filled_table
from ._text import briefly, clean, one_line

if TYPE_CHECKING:
    from sojourn.models import Pool, Request

_STATE_STYLES = {"admitted": "green", "queued": "yellow"}
_WHOLE = ("session", "request", "prio", "age", "lease")
"""Columns that keep their width on a narrow terminal: ids are there to be copied."""
_BAR = 10
"""Characters of a bar."""


def state_text(request: Request) -> Text:
    """`admitted`, or what it waits for and at which place: `queued: session #2`, `queued: pool browsers`."""
    style = _STATE_STYLES.get(request.state, "")
    if request.state is not RequestState.QUEUED or not request.waiting_for:
        return Text(request.state, style=style)
    limit = request.waiting_for.removeprefix("requests_per_")
    what = f"pool {request.pool}" if limit == "pool" else limit
    place = f" #{request.position}" if request.position else ""
    return Text(f"{request.state}: {one_line(what, 32)}{place}", style=style)


def slot_text(request: Request) -> str:
    """The slot it holds, `browsers 3`; the pool alone while it has none."""
    held = request.pool_slot
    return one_line(f"{held.pool} {held.slot}" if held is not None else request.pool, 40)


def lease_text(request: Request, now: datetime) -> Text:
    """How long its lease lasts unless it is renewed; red when that is not long any more.

    By the reader's clock: one that differs from the store's shows it, but never less than nothing or more than all.
    """
    if request.lease_expire_time is None:
        return Text()
    left = max(timedelta(0), min(request.lease_expire_time - now, request.lease_ttl))
    return Text(briefly(left), style="red" if left < request.lease_ttl / 3 else "")


def cancel_text(request: Request) -> Text:
    """A mark, and why, when the request was asked to stop."""
    if not request.cancel_requested:
        return Text()
    reason = one_line(request.cancel_reason, 40)
    return Text(f"asked: {reason}" if reason else "asked", style="red")


def age_text(request: Request, now: datetime) -> str:
    """How long ago it began, by the reader's clock."""
    return briefly(now - request.begin_time)


def percent_text(request: Request) -> str:
    """`40%`; empty when it has told nothing."""
    return f"{request.progress:.0%}" if request.progress or request.progress_text else ""


def progress_bar(request: Request) -> ProgressBar | Text:
    """The request's progress as a bar; nothing when it has told nothing."""
    if not percent_text(request):
        return Text()
    return ProgressBar(total=1.0, completed=request.progress, width=_BAR)


def requests_table(requests: Sequence[Request], now: datetime) -> Table:
    """All there is to know of each request, one a row; the ids in full, and no column that would be empty."""
    columns: dict[str, list[Text]] = {
        "session": [Text(clean(request.session_id)) for request in requests],
        "request": [Text(clean(request.id)) for request in requests],
        "name": [Text(one_line(request.name, 32)) for request in requests],
        "state": [state_text(request) for request in requests],
        "prio": [Text(str(request.priority)) for request in requests],
        "user": [Text(one_line(request.user_id, 24)) for request in requests],
        "slot": [Text(slot_text(request)) for request in requests],
        "progress": [Text(f"{percent_text(request)} {one_line(request.progress_text, 40)}") for request in requests],
        "age": [Text(age_text(request, now)) for request in requests],
        "lease": [lease_text(request, now) for request in requests],
        "cancel": [cancel_text(request) for request in requests],
    }
    return filled_table(columns, whole=_WHOLE, right=("prio", "age", "lease"))


def pools_table(pools: Sequence[Pool]) -> Table:
    """The pools and how full they are, one a row."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("pool", overflow="fold")
    for name in ("size", "used", "free", "queued"):
        table.add_column(name, justify="right")
    table.add_column("")
    for pool in pools:
        table.add_row(
            Text(clean(pool.name)),
            f"{pool.size:,}",
            f"{pool.used:,}",
            f"{max(0, pool.size - pool.used):,}",  # a pool that shrank is over its size for a while
            Text(f"{pool.queued:,}", style="yellow" if pool.queued else ""),
            ProgressBar(total=max(pool.size, 1), completed=min(pool.used, pool.size), width=_BAR),
        )
    return table


def pools_line(pools: Sequence[Pool], most: int = 8) -> Text:
    """The pools on one line: `browsers 8/10, 3 queued`."""
    shown = []
    for pool in pools[:most]:
        use = f"{one_line(pool.name, 32)} {pool.used:,}/{pool.size:,}"
        full = pool.used >= pool.size
        shown.append(Text(f"{use}, {pool.queued:,} queued" if pool.queued else use, style="yellow" if full else ""))
    if len(pools) > most:
        shown.append(Text(f"and {len(pools) - most:,} more"))
    return Text("   ").join(shown) if shown else Text("none", style="dim")
