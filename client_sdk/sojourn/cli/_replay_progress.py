"""The progress bar of a replay."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ._replaying import Tally


class TallyProgress(Progress):
    """Shows what a tally says whenever it is drawn; `total` sessions are expected, None: nobody knows."""

    def __init__(self, tally: Tally, *, total: int | None, console: Console) -> None:
        self._tally = tally
        self._begun = time.monotonic()
        self._bar: TaskID | None = None
        super().__init__(
            TextColumn("sessions"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            refresh_per_second=8,
        )
        self._bar = self.add_task("", total=total)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar as of now."""
        if self._bar is None:  # drawn by the base class before there is one
            return
        tally = self._tally
        rate = (tally.messages - tally.known_messages) / max(time.monotonic() - self._begun, 0.001)
        text = f"{tally.messages:,} messages, {tally.invocations:,} invocations, {rate:,.0f} messages/s"
        self.update(self._bar, completed=tally.sessions + len(tally.failures), description=text)
        yield self.make_tasks_table(self.tasks)
