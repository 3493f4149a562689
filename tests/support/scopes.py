"""Short words for what tests of scopes do over and over: one scope of a tenant, requests by their ids alone."""

import contextlib
import secrets

from sojourn_server.domain.errors import NotFoundError
from sojourn_server.domain.requests import SCOPE_MARGIN_MS, PoolSlot, RequestKey, Scope, ScopeKind
from sojourn_server.domain.session import SessionKey
from sojourn_server.store.keys import Keyspace, ScopeKeys
from sojourn_server.store.opening import Store
from tests.support.store_engines import StoreEngine

LEASE_MS = 15_000


class Counter:
    """A scope and whoever comes for its slots. `limit` is what the scope is asked with; a pool has a size instead."""

    def __init__(self, store: Store, engine: StoreEngine, kind: ScopeKind = ScopeKind.USER, *, limit: int = 0) -> None:
        self.store = store
        self.engine = engine
        self.tenant = f"t-{secrets.token_hex(4)}"
        self.scope = Scope(kind, self.tenant, "counter")
        self.limit = limit
        self._came: set[str] = set()

    @property
    def keys(self) -> ScopeKeys:
        """Where the store keeps the scope."""
        return Keyspace(len(self.store.commits.shards)).scope(self.scope.path)

    def key(self, request: str) -> RequestKey:
        return RequestKey(SessionKey(self.tenant, "s"), request)

    async def take(
        self, request: str, *, user: str = "", priority: int = 0, wait: bool = True, max_queued: int = 1000
    ) -> PoolSlot | int:
        """The slot, or the place in the queue."""
        self._came.add(request)
        grant = await self.store.scopes.take(
            self.scope, self.key(request), limit=self.limit, priority=priority, user_id=user, lease_ms=LEASE_MS,
            wait=wait, max_queued=max_queued,
        )  # fmt: skip
        return grant.slot or grant.position

    async def hold(self, *requests: str) -> list[PoolSlot]:
        """Takes a slot for each; fails when there is none."""
        slots = [await self.take(request, user="holder", wait=False) for request in requests]
        assert all(isinstance(slot, PoolSlot) for slot in slots)
        return slots  # type: ignore[return-value]

    async def release(self, request: str) -> list[str]:
        return ids(await self.store.scopes.release(self.scope, self.key(request), limit=self.limit))

    async def reclaim(self, request: str) -> list[str]:
        return ids(await self.store.scopes.reclaim(self.scope.path, self.key(request), limit=self.limit))

    async def resize(self, size: int) -> list[str]:
        """Sets the size of the pool; who got a slot by it."""
        pool, granted = await self.store.scopes.set_pool(self.tenant, self.scope.name, size)
        assert (pool.name, pool.size) == (self.scope.name, size)
        return ids(granted)

    def lease(self, request: str) -> str:
        """The name of a lease in the scope."""
        return f"{LEASE_MS + SCOPE_MARGIN_MS}|s|{self.scope.path}|{self.key(request).holder}"

    async def deadline(self, request: str) -> int | None:
        """When a lease runs out, in ms by the store's clock."""
        score = await self.engine.at_owner("ZSCORE", self.keys.shard.lease, self.lease(request))
        return None if score is None else int(float(score))

    async def lapse(self, *requests: str) -> None:
        """Makes leases run out now."""
        for request in requests:
            assert await self.engine.at_owner("ZADD", self.keys.shard.lease, "XX", "CH", 1, self.lease(request)) == 1

    async def served(self, first: str) -> list[str]:
        """Who gets the only slot, one after the other, when `first` gives it back and everyone does at once."""
        order = []
        left = await self.release(first)
        while left:
            order += left
            left = await self.release(order[-1])
        return order

    async def clear(self) -> None:
        """Everyone leaves and the pool goes; afterwards nothing of the scope is left."""
        if self.scope.kind is ScopeKind.POOL:
            await self.resize(0)
        for request in self._came:
            await self.release(request)
        assert await self.engine.at_owner("EXISTS", self.keys.scope) == 0
        assert await self.engine.at_owner("EXISTS", self.keys.turns) == 0
        assert await self.engine.at_owner("EXISTS", self.keys.waiting) == 0
        assert await self.engine.at_owner("EXISTS", self.keys.free) == 0
        assert [await self.deadline(request) for request in self._came] == [None] * len(self._came)

    async def __aenter__(self) -> "Counter":
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(NotFoundError):
            await self.clear()


def ids(keys: list[RequestKey]) -> list[str]:
    return [key.request_id for key in keys]
