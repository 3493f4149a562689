"""Short words for what tests of the store do over and over, in a tenant of their own."""

import secrets
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from sojourn_server.domain import changes as ch
from sojourn_server.domain.cursor import SessionCursor
from sojourn_server.domain.effects import effects_of
from sojourn_server.domain.errors import SojournError
from sojourn_server.domain.events import NO_PRECONDITION, Committed, Precondition, StoredEvent, Write
from sojourn_server.domain.session import Session, SessionKey
from sojourn_server.ports import ArchivedSession, DeletedSession, EventPage, EventQuery, Tap
from sojourn_server.store.keys import Keyspace, SessionKeys
from sojourn_server.store.opening import Store

Item = StoredEvent | DeletedSession | ArchivedSession


class Desk:
    """A tenant's sessions in a store. Session ids default to `s`."""

    def __init__(self, store: Store, tenant: str = "") -> None:
        self.store = store
        self.tenant = tenant or f"t-{secrets.token_hex(4)}"
        self._keyspace = Keyspace(len(store.commits.shards))

    def key(self, sid: str = "s") -> SessionKey:
        return SessionKey(self.tenant, sid)

    def keys(self, sid: str = "s") -> SessionKeys:
        """Where the store keeps the session."""
        return self._keyspace.session(self.key(sid))

    def new(self, sid: str = "s", *, idempotency_key: str = "", body: bytes = b"", **begins_with: Any) -> Write:
        """The first write of a session; `begins_with` are fields of SessionCreated."""
        created = ch.SessionCreated(uid=secrets.token_hex(8), **begins_with)
        return Write(
            self.key(sid), effects_of([created]), body or f"created {created.uid}".encode(), NO_PRECONDITION,
            idempotency_key,
        )  # fmt: skip

    def writing(
        self, *changes: ch.Change, sid: str = "s", body: bytes = b"body", idempotency_key: str = "",
        on_ended: bool = False, **precondition: Any,
    ) -> Write:  # fmt: skip
        """A write; `precondition` are fields of Precondition."""
        required = Precondition(**precondition) if precondition else NO_PRECONDITION
        return Write(self.key(sid), effects_of(changes), body, required, idempotency_key, on_ended)

    async def create(self, sid: str = "s", *, or_get: bool = False, **begins_with: Any) -> Committed:
        committed, _ = await self.store.active.create(self.new(sid, **begins_with), or_get=or_get, checked=True)
        return committed

    async def write(self, *changes: ch.Change, **kwargs: Any) -> Committed:
        return await self.store.active.write(self.writing(*changes, **kwargs))

    async def add(self, count: int, *, sid: str = "s") -> list[Committed]:
        """Commits `count` writes in one go; their bodies are `1`, `2`, ..."""
        writes = [self.writing(ch.LogAppended(), sid=sid, body=b"%d" % n) for n in range(1, count + 1)]
        return [committed(result) for result in await self.store.active.write_many(writes)]

    async def get(self, sid: str = "s", *, full: bool = True) -> Session:
        return await self.store.active.get(self.key(sid), full=full)

    async def events(self, sid: str = "s", **query: Any) -> EventPage:
        return await self.store.active.events(self.key(sid), EventQuery(**query))

    async def delete(self, sid: str = "s", *, expected_revision: int | None = None, idempotency_key: str = "") -> int:
        return await self.store.active.delete(
            self.key(sid), expected_revision=expected_revision, idempotency_key=idempotency_key
        )

    async def trim(self, before: int, *, sid: str = "s") -> None:
        await self.store.active.trim(self.key(sid), before=before)

    def watch(
        self, after: int | SessionCursor | None = None, *, sid: str = "s"
    ) -> AbstractAsyncContextManager[tuple[SessionCursor, Tap]]:
        return self.store.hub.session(self.key(sid), after)

    async def delete_all(self) -> None:
        """Removes every session of the tenant."""
        for _, sid in await self.store.active.newest(self.tenant, after=None, count=10_000):
            await self.delete(sid)


def committed(result: Committed | SojournError) -> Committed:
    """The result of one item of a batch; raises its error."""
    if isinstance(result, SojournError):
        raise result
    return result


def revisions(items: Sequence[Item]) -> list[int]:
    return [item.revision for item in items]


async def take(tap: Tap, count: int, *, timeout: float = 10.0) -> list[Item]:
    """The next `count` items of a tap (more when they come together); fails after `timeout` seconds of silence."""
    items: list[Item] = []
    while len(items) < count:
        news = await tap.next(timeout)
        assert news, f"silence after {len(items)} of {count} items"
        items += news
    return items


async def exhaust(tap: Tap) -> None:
    """Takes items until the tap ends with an error; fails after ten seconds of silence."""
    while True:
        await take(tap, 1)


async def take_until(tap: Tap, revision: int, *, timeout: float = 10.0) -> list[Item]:
    """The items of a session's tap up to `revision`."""
    items: list[Item] = []
    while not items or items[-1].revision < revision:
        news = await tap.next(timeout)
        assert news, f"silence before revision {revision}; got {revisions(items)}"
        items += news
    return items
