"""Writers and watchers that live through losses of the store, and what must be true of what they were told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import sojourn

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
