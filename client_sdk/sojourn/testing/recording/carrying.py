"""The courier's work: deliver this run's spool while it grows, and those that earlier runs left behind."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

from ...client import Client
from ...errors import SojournError
from .baselines import compared, run_before
from .delivering import POLL, Delivery, RefusedError
from .places import remove_remains, remove_run, run_directories
from .servers import Connection, UnresolvedError, connection
from .spool import Spool, is_left_behind
from .state import State, write_known

_AWAY = (SojournError, UnresolvedError, OSError)
_PAUSES = (0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts; the last for all that follow."""


class Courier:
    """Delivers one run's spool. `base` is the project's directory for recordings."""

    def __init__(self, spool: Spool, base: Path) -> None:
        self._spool = spool
        self._base = base
        self._header = spool.header
        self._state = State(spool.directory)
        self._tried = False
        self._created: datetime | None = None  # when the session was made that this run goes on with

    async def run(self) -> None:
        """Deliver until the run is over and all is delivered, or the server is away after the end of the run."""
        await self._run()
        if self._state.values["phase"] != "refused" and not self._spool.closed and self._spool.is_empty:
            remove_run(self._spool.directory)  # nothing was recorded, and nobody waits

    async def _run(self) -> None:
        for attempt in range(sys.maxsize):
            # Told before the attempt, so that the last one begins after the run's last line.
            over = self._spool.is_over()
            try:
                await self._attempt()
                return
            except RefusedError as error:
                self._spool.set_aside()
                self._state.set(phase="refused", text=str(error), final=True)
                return
            except _AWAY as error:
                self._state.set(phase="away", text=_told(error), final=over)
            except Exception as error:
                traceback.print_exc()
                self._state.set(phase="away", text=f"{type(error).__name__} in the courier", final=over)
            if over:
                return
            await self._pause(_PAUSES[min(attempt, len(_PAUSES) - 1)])

    async def _attempt(self) -> None:
        async with connection(self._header) as connected:
            client = connected.client
            await self._catch_up(connected)
            if self._header["wants_known"]:
                await self._tell_known(client)
            self._state.set(phase="connected", text="", target=connected.target, embedded=connected.embedded)
            previous = await run_before(client, self._spool.session_id, self._header["project"], self._created)
            self._state.set(previous=previous)
            again, self._tried = self._tried, True
            await Delivery(client, self._spool, self._state).run(follow=True, again=again)
            if not self._spool.is_empty:
                baseline = self._header["baseline"]
                if baseline:
                    baseline = previous if baseline == "last" else baseline
                    self._state.set(comparison=await compared(client, baseline, self._spool.session_id))
                self._spool.remove()
            self._state.set(phase="delivered", final=True)

    async def _catch_up(self, connected: Connection) -> None:
        """Deliver what earlier runs left behind; that of one that fails stays for the next time."""
        caught_up = list(self._state.values.get("caught_up", []))
        async for session_id in deliver_all(self._base, connected, but=self._spool.directory):
            caught_up = [*caught_up, session_id]
            self._state.set(caught_up=caught_up)

    async def _tell_known(self, client: Client) -> None:
        handle = client.session(self._spool.session_id)
        try:
            info = await handle.refresh()
            self._created = info.create_time
            steps = {name: (step.status.value, step.run) for name, step in info.steps.items()}
        except SojournError as error:
            if getattr(error, "session_id", None) != handle.id:
                raise
            steps = {}  # there is none of this name yet
        write_known(self._spool.directory, steps)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the run."""
        for _ in range(round(seconds / POLL)):
            if self._spool.is_over():
                return
            await asyncio.sleep(POLL)


async def deliver_all(
    base: Path, connected: Connection, *, but: Path | None = None, everything: bool = False
) -> AsyncIterator[str]:
    """Deliver what runs left behind; their sessions, as each is done.

    `but`: a run not to touch. What was meant for another server goes there, and stays if that is away; with
    `everything` it goes to the connected one. Raises SojournError when that has gone away.
    """
    away: set[str] = set()
    for directory in run_directories(base):
        if directory == but:
            continue
        try:
            spool = Spool(directory)
        except (OSError, ValueError):
            continue
        try:
            target = connected.target if everything else spool.header["target"] or connected.target
            if target in away or not is_left_behind(spool) or not spool.lock():
                continue
            if target == connected.target:
                await _deliver(spool, connected.client)
            else:
                away.add(target)
                async with connection(spool.header, patience=1.0) as its_own:
                    await _deliver(spool, its_own.client)
                away.discard(target)
            if spool.position:
                yield spool.session_id
        except UnresolvedError:
            continue
        except RefusedError as error:
            print(f"{directory}: {error}", file=sys.stderr)
            spool.set_aside()
        except SojournError:
            if target not in away:
                raise
        finally:
            spool.close()
    remove_remains(base)


async def _deliver(spool: Spool, client: Client) -> None:
    await Delivery(client, spool, State(spool.directory)).run(follow=False, again=True)
    spool.remove()
    remove_run(spool.directory)


def _told(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:500] if str(error).strip() else type(error).__name__
