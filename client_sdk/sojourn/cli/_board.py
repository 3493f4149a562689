"""The demo's board: sessions as a watcher sees them, row by row on a terminal, line by line elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sojourn import changes as ch
from sojourn.enums import SessionStatus
from sojourn.models import Event, SessionArchived, SessionDeleted

from ._render import change_text, event_lines, status_text
from ._text import clean

if TYPE_CHECKING:
    from sojourn import Client


@dataclass(slots=True)
class Row:
    """A session as the events seen so far tell of it."""

    user: str = ""
    status: SessionStatus = SessionStatus.ACTIVE
    messages: int = 0
    tools: int = 0
    last: ch.Change | None = None

    def see(self, event: Event) -> None:
        """Folds one event in."""
        for change in event.changes:
            match change:
                case ch.SessionCreated():
                    self.user = change.user_id
                case ch.StatusChanged():
                    self.status = change.status
                case ch.MessageAppended():
                    self.messages += 1
                case ch.InvocationStarted():
                    self.tools += 1
            if not isinstance(change, ch.StatusChanged):
                self.last = change


class Board:
    """Shows the sessions of a project while they are worked on."""

    def __init__(self, client: Client, *, project: str, out: Console) -> None:
        self._client = client
        self._project = project
        self._out = out
        self._rows: dict[str, Row] = {}
        self._news = asyncio.Event()
        self.events = 0

    @property
    def sessions(self) -> int:
        """How many sessions were seen."""
        return len(self._rows)

    @property
    def last_session(self) -> str:
        """Id of the session that began last."""
        return next(reversed(self._rows), "")

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Shows what happens while the block runs; the watch stands before it begins."""
        async with self._client.watch_sessions(project=self._project) as watch, asyncio.TaskGroup() as group:
            reader = group.create_task(self._read(watch))
            with self._display():
                yield
            reader.cancel()

    async def all_ended(self, sessions: int) -> None:
        """Waits until the watch has told of the end of so many sessions."""
        while sum(row.status != "active" for row in self._rows.values()) < sessions:
            self._news.clear()
            await self._news.wait()

    def _display(self) -> AbstractContextManager[object]:
        if not self._out.is_terminal:
            return nullcontext()
        return Live(console=self._out, refresh_per_second=8, get_renderable=self._table)

    async def _read(self, watch: AsyncIterable[Event | SessionDeleted | SessionArchived]) -> None:
        async for event in watch:
            if isinstance(event, Event):
                self._see(event)
                self._news.set()

    def _see(self, event: Event) -> None:
        self.events += 1
        self._rows.setdefault(event.session_id, Row()).see(event)
        if not self._out.is_terminal:
            for line in event_lines(event, name_session=True):
                self._out.print(line, soft_wrap=True)

    def _table(self) -> Table:
        """The sessions that fit the screen, the newest last."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
        for name in ("session", "agent", "status"):
            table.add_column(name, no_wrap=True)
        for name in ("messages", "tools"):
            table.add_column(name, justify="right")
        table.add_column("last", no_wrap=True, overflow="ellipsis", ratio=1)
        rows = list(self._rows.items())[-max(self._out.height - 6, 1) :]
        for session_id, row in rows:
            last = change_text(row.last) if row.last else Text()
            table.add_row(
                clean(session_id), clean(row.user), status_text(row.status), str(row.messages), str(row.tools), last
            )
        return table
