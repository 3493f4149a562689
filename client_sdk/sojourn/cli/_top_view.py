"""A frame of `sojourn top`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sojourn.enums import RequestState

from ._requests_view import (
    age_text,
    lease_text,
    percent_text,
    pools_line,
    progress_bar,
    slot_text,
    state_text,
)
from ._text import briefly, clean, one_line

if TYPE_CHECKING:
    from sojourn.models import Request

    from ._overview import Busy, Overview

_AROUND = 11
"""Lines that are neither a session nor a request: three of totals; a table's blank one, head, rule and `and 3 more`."""
_SHARE = 3
"""A third of the rows is for sessions, however many requests there are."""


def frame(
    overview: Overview, *, target: str, now: datetime, height: int, expand: bool = True, trouble: str = ""
) -> RenderableType:
    """What there is to see, in at most `height` lines.

    expand: as wide as the terminal. trouble: what keeps the frame from being of now; empty for nothing.
    """
    requests = overview.in_order()
    space = max(height - _AROUND, 2)
    sessions = overview.busiest(max(space - len(requests), space // _SHARE, 1))
    requests = requests[: space - len(sessions)]
    return Group(
        _title(target, now, trouble),
        _totals(overview),
        Text.assemble(("pools    ", "bold"), pools_line(overview.pools), no_wrap=True, overflow="ellipsis"),
        Text(),
        _sessions(sessions, now, expand=expand),
        *_more(len(overview.sessions) - len(sessions)),
        Text(),
        _requests(requests, now, expand=expand),
        *_more(len(overview.requests) - len(requests)),
    )


def _title(target: str, now: datetime, trouble: str) -> Text:
    title = Text.assemble(("sojourn top", "bold"), f"  {clean(target)}  {now.astimezone():%H:%M:%S}")
    if trouble:
        title.append(f"  {one_line(trouble, 200)}", style="bold red")
    title.no_wrap, title.overflow = True, "ellipsis"
    return title


def _totals(overview: Overview) -> Text:
    admitted, queued = (overview.count(state) for state in (RequestState.ADMITTED, RequestState.QUEUED))
    size, used = sum(pool.size for pool in overview.pools), sum(pool.used for pool in overview.pools)
    waiting = sum(pool.queued for pool in overview.pools)
    most = " (the oldest)" if overview.partial else ""
    facts = [
        ("sessions ", f"{len(overview.sessions):,} active"),
        ("requests ", f"{admitted:,} admitted, {queued:,} queued{most}"),
        ("slots ", f"{used:,}/{size:,} used, {waiting:,} queued"),
    ]
    if overview.rate is not None:
        facts.append(("events ", f"{overview.rate:,.0f}/s"))
    line = Text("   ").join(Text.assemble((name, "bold"), value) for name, value in facts)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _more(number: int) -> Iterator[Text]:
    """Tells how many rows there is no space for."""
    if number > 0:
        yield Text(f"and {number:,} more", style="dim")


def _table(expand: bool) -> Table:
    return Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True, expand=expand, header_style="dim"
    )  # fmt: skip


def _cut(text: str) -> Text:
    """A cell that gives way where the terminal is narrow."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def _sessions(rows: Sequence[Busy], now: datetime, *, expand: bool) -> Table:
    table = _table(expand)
    table.add_column("session")
    table.add_column("user", ratio=1 if expand else None)
    for name in ("admitted", "queued", "connections", "last event"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            _cut(clean(row.session_id)),
            _cut(one_line(row.seen.user, 32)),
            Text(str(row.admitted), style="green" if row.admitted else "dim"),
            Text(str(row.queued), style="yellow" if row.queued else "dim"),
            Text(str(row.seen.connections), style="" if row.seen.connections else "dim"),
            f"{briefly(now - row.seen.last)} ago",
        )
    return table


def _requests(rows: Sequence[Request], now: datetime, *, expand: bool) -> Table:
    table = _table(expand)
    for name in ("request", "session"):
        table.add_column(name)
    table.add_column("state")
    table.add_column("prio", justify="right", no_wrap=True)
    table.add_column("slot")
    for name in ("age", "lease"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("progress", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("", ratio=1 if expand else None)
    for request in rows:
        table.add_row(
            _cut(one_line(request.name or request.id, 32)),
            _cut(clean(request.session_id)),
            _state(request),
            str(request.priority),
            _cut(slot_text(request)),
            age_text(request, now),
            lease_text(request, now),
            progress_bar(request),
            percent_text(request),
            _cut(one_line(request.progress_text, 60)),
        )
    return table


def _state(request: Request) -> Text:
    """As `state_text`, and `stopping` when it was asked to."""
    stopping = request.cancel_requested and request.state is RequestState.ADMITTED
    text = Text("stopping", style="red") if stopping else state_text(request)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
