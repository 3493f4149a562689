"""Writers and watchers that live through losses of the store, and what must be true of what they were told."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import sojourn

from .waiting import wait_until

END = "the end"


@dataclass(frozen=True)
class Known:
    """An event that somebody knows of: it was acknowledged, or delivered."""

    revision: int
    text: str
    losses: int
    """How often that somebody had been told of a loss before."""


@dataclass
class SurvivingWriter:
    """Writes lines to a session's log, one after the other, until `stop`; begins anew where it is told of a loss."""

    client: sojourn.Client
    session_id: str
    name: str
    known: list[Known] = field(default_factory=list)
    losses: int = 0
    _stopped: bool = False

    def stop(self) -> None:
        """It ends after the line it is at."""
        self._stopped = True

    async def run(self) -> None:
        session = await self.client.get_session(self.session_id)
        number = 0
        while not self._stopped:
            number += 1
            text = f"{self.name} {number}"
            try:
                self.known.append(Known(await session.log(text), text, self.losses))
            except sojourn.HistoryRolledBackError:
                self.losses += 1
                await refreshed(session)
            except (sojourn.UnavailableError, sojourn.DeadlineExceededError):
                await asyncio.sleep(0.02)  # it may have happened: nobody counts on it


@dataclass
class SurvivingWatcher:
    """Watches a session from its beginning to the line END; begins anew when it is told of a loss."""

    client: sojourn.Client
    session_id: str
    known: list[Known] = field(default_factory=list)
    losses: int = 0

    async def run(self) -> None:
        while True:
            try:
                async for event in self.client.session(self.session_id).watch(after=0):
                    for text in texts(event):
                        self.known.append(Known(event.revision, text, self.losses))
                        if text == END:
                            return
            except sojourn.HistoryRolledBackError:
                self.losses += 1
            except (sojourn.UnavailableError, sojourn.DeadlineExceededError):
                await asyncio.sleep(0.02)


async def refreshed(session: sojourn.SessionHandle) -> sojourn.Session:
    """Reads the session until it can be read."""
    while True:
        try:
            return await session.refresh()
        except (sojourn.UnavailableError, sojourn.DeadlineExceededError):
            await asyncio.sleep(0.02)


def texts(event: sojourn.Event) -> list[str]:
    """The lines that an event logged."""
    return [change.text for change in event.changes if isinstance(change, sojourn.LogAppended)]


async def history(client: sojourn.Client, session_id: str) -> dict[int, str]:
    """Every event of a session: the line it logged, else the names of its changes. Checks that none is missing."""
    found = {}
    async for event in client.session(session_id).events(after=0):
        found[event.revision] = (texts(event) or [" ".join(change.kind for change in event.changes)])[0]
    assert list(found) == list(range(1, len(found) + 1))
    return found


def check_nothing_silent(found: dict[int, str], somebody: SurvivingWriter | SurvivingWatcher) -> int:
    """Whatever somebody knew of is history still, or they were told of a loss after it. How much was lost."""
    lost = [known for known in somebody.known if found.get(known.revision) != known.text]
    silent = [known for known in lost if known.losses >= somebody.losses]
    assert not silent, f"lost without a word: {silent[:5]}"
    return len(lost)


class Load:
    """A writer and a watcher for each of some sessions, through whatever happens.

    async with Load(target, sessions=4) as load:
        await load.goes_on()
        ...                        # whatever happens
        await load.finish()        # everybody ends well, and nothing was lost without a word
    """

    def __init__(self, target: str, *, sessions: int = 4, prefix: str = "s") -> None:
        self._client = sojourn.Client(target, timeouts=sojourn.Timeouts(total=60, attempt=5, connect=20))
        self.session_ids = [f"{prefix}{number}" for number in range(sessions)]
        self.writers = [SurvivingWriter(self._client, sid, f"w {sid}") for sid in self.session_ids]
        self.watchers = [SurvivingWatcher(self._client, sid) for sid in self.session_ids]
        self.found: dict[str, dict[int, str]] = {}
        """The histories, once `finish` was called."""
        self.lost = 0
        """How many acknowledged or delivered events are no history any more, as everybody concerned was told."""
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Load:
        await self._client.connect()
        for sid in self.session_ids:
            await self._client.create_session(sid)
        self._tasks = [asyncio.create_task(one.run()) for one in (*self.writers, *self.watchers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()

    async def goes_on(self, lines: int = 5) -> None:
        """Waits until every writer had some more lines acknowledged, and every watcher saw some more."""
        everybody = [*self.writers, *self.watchers]
        before = [len(one.known) for one in everybody]

        def more() -> bool:
            for task in self._tasks:
                if task.done():
                    task.result()
            return all(len(one.known) >= was + lines for one, was in zip(everybody, before, strict=True))

        await wait_until(more, timeout=40, description="everybody goes on")

    async def told(self) -> None:
        """Waits until everybody was told of a loss."""
        await wait_until(
            lambda: all(one.losses for one in (*self.writers, *self.watchers)), timeout=40,
            description="everybody was told",
        )  # fmt: skip

    async def finish(self) -> None:
        """Ends all of them, and checks what they knew against what is there."""
        for writer in self.writers:
            writer.stop()
        writing, watching = self._tasks[: len(self.writers)], self._tasks[len(self.writers) :]
        await asyncio.wait_for(asyncio.gather(*writing), 60)
        for sid in self.session_ids:
            await self._client.session(sid).log(END)
        await asyncio.wait_for(asyncio.gather(*watching), 60)
        for sid, writer, watcher in zip(self.session_ids, self.writers, self.watchers, strict=True):
            self.found[sid] = found = await history(self._client, sid)
            self.lost += check_nothing_silent(found, writer) + check_nothing_silent(found, watcher)
            seen = [known for known in watcher.known if known.losses == watcher.losses]
            lines = {revision: text for revision, text in found.items() if text.startswith("w ") or text == END}
            assert {known.revision: known.text for known in seen} == lines, "the last watch saw something else"
            assert len(seen) == len(lines)


def catalogued(file: Path, session_id: str) -> int:
    """The revision up to which a SQLite catalog has a session."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
        row = connection.execute("SELECT revision FROM sessions WHERE session_id = ?", (session_id,)).fetchone()
    return int(row[0]) if row else 0


@asynccontextmanager
async def locked(file: Path) -> AsyncIterator[None]:
    """Nobody else can use a SQLite catalog meanwhile."""
    connection = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        await asyncio.to_thread(connection.execute, "BEGIN EXCLUSIVE")
        yield
    finally:
        connection.close()
