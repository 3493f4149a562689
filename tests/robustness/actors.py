"""Those who write and watch while things are killed around them."""

import asyncio
import random
from pathlib import Path
from typing import Any

import grpc

import sojourn
from tests.support import wire

from .checker import END, TYPE, Seen, seen


class Writer:
    """Writes one label after the other, each until it is acknowledged, until told to stop.

    acknowledged: revision by label, in the order of the acknowledgements.
    """

    def __init__(self, client: sojourn.Client, session_id: str, name: str, chance: random.Random) -> None:
        self._session = client.session(session_id)
        self._name = name
        self._chance = random.Random(chance.random())
        self.stopped = False
        self.acknowledged: dict[str, int] = {}

    async def run(self) -> None:
        number = 0
        while not self.stopped:
            # Now and then several at a time, so that batches are made.
            count = self._chance.choice((1, 1, 1, 4, 16))
            labels = [f"{self._name}.{number + i}" for i in range(count)]
            number += count
            await asyncio.gather(*(self._write(label) for label in labels))

    async def _write(self, label: str) -> None:
        while True:
            try:
                async with self._session.write(idempotency_key=label) as write:
                    write.add_custom(TYPE + label)
                    write.increment_state(self._name)
            except (sojourn.UnavailableError, sojourn.DeadlineExceededError):
                continue
            assert write.revision is not None
            self.acknowledged[label] = write.revision
            return


class Watcher:
    """Watches a session on the bare wire from its first event to the one labelled END; goes on at the newest cursor
    whenever the stream ends.

    lifetime: seconds after which it reconnects by itself; None: only when it must.
    store: file in which it keeps its cursor; every connection begins with what is in it.
    """

    def __init__(self, stub: Any, session_id: str, *, lifetime: float | None = None, store: Path | None = None) -> None:
        self._stub = stub
        self._session_id = session_id
        self._lifetime = lifetime
        self._store = store
        self._cursor: str | int = 0
        self.connections = 0
        self.events: list[Seen] = []

    async def run(self) -> None:
        while not ended(self.events):
            if self._store and self._store.exists():
                self._cursor = self._store.read_text()
            request = wire.watch(self._session_id, self._cursor, progress=0.1)
            call = self._stub.WatchSession(request, wait_for_ready=True)
            self.connections += 1
            try:
                async with asyncio.timeout(self._lifetime):
                    await self._follow(call)
            except TimeoutError:
                pass
            except grpc.aio.AioRpcError as error:
                wire.pass_over(error)
                await asyncio.sleep(0.02)
            finally:
                call.cancel()

    async def _follow(self, call: Any) -> None:
        async for answer in wire.messages(call):
            self.events += seen(answer.events)
            for place in (*answer.events[-1:], answer.progress, answer.going_away):
                if place.cursor.token:
                    self._cursor = place.cursor.token
            if self._store:
                self._store.write_text(str(self._cursor))
            if ended(self.events):
                return


class SdkWatcher:
    """Watches a session with the SDK, which hides whatever happens."""

    def __init__(self, client: sojourn.Client, session_id: str) -> None:
        self._session = client.session(session_id)
        self.events: list[Seen] = []

    async def run(self) -> None:
        async for event in self._session.watch(after=0):
            self.events += seen([event])
            if ended(self.events):
                return


def ended(events: list[Seen]) -> bool:
    return bool(events) and END in events[-1].labels
