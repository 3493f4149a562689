"""Slots of the scopes that requests of many sessions share, with the server's limits on them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from ..domain.errors import NotFoundError, OutcomeUnknownError, StoreUnavailableError
from ..domain.requests import Grant, NewRequest, Pool, Quotas, Request, RequestKey, Scope, ScopeKind
from ..ports import ScopeStore

log = structlog.get_logger()


class Slots:
    """Takes and gives back slots. Who got one by that is returned, and is to be driven on by the caller."""

    def __init__(self, scopes: ScopeStore, quotas: Quotas) -> None:
        self._scopes = scopes
        self._quotas = quotas
        self._known_pools: set[tuple[str, str]] = set()

    async def take(self, scope: Scope, request: Request) -> Grant:
        """A slot, or a place in the queue, for a request that holds its session's slot. Raises like
        `ScopeStore.take`."""
        return await self._scopes.take(
            scope, request.key, limit=self._quotas.limit(scope.kind), priority=request.priority,
            user_id=request.user_id, lease_ms=request.lease_ms, wait=True, max_queued=self._quotas.queued_per_scope,
        )  # fmt: skip

    async def take_at_once(self, scope: Scope, new: NewRequest, user_id: str) -> Grant:
        """A slot for a request that is yet to begin; raises LimitExceededError when there is none."""
        return await self._scopes.take(
            scope, new.key, limit=self._quotas.limit(scope.kind), priority=new.priority, user_id=user_id,
            lease_ms=new.lease_ms, wait=False, max_queued=self._quotas.queued_per_scope,
        )  # fmt: skip

    async def release(self, key: RequestKey, scopes: Iterable[Scope]) -> list[tuple[Scope, RequestKey]]:
        """Gives back slots and places; returns who got one. Never raises because the store is away."""
        found = await asyncio.gather(*(self._release(scope, key) for scope in scopes))
        return [one for granted in found for one in granted]

    async def reclaim(self, path: str, key: RequestKey) -> list[RequestKey]:
        """Gives back a slot whose lease in its scope has run out; returns who got it."""
        kind = ScopeKind(int(path.partition("/")[2].partition(":")[0]))
        return await self._scopes.reclaim(path, key, limit=self._quotas.limit(kind))

    async def check_pool(self, tenant: str, name: str) -> None:
        """Raises NotFoundError (POOL_NOT_FOUND) for a pool that never was. One that goes later is found out by
        `take`."""
        if (tenant, name) in self._known_pools:
            return
        self._known_pools.update((tenant, pool.name) for pool in await self._scopes.pools(tenant))
        if (tenant, name) not in self._known_pools:
            raise NotFoundError.pool(name)

    def forget_pool(self, tenant: str, name: str) -> None:
        """The pool may be gone: the next check asks the store."""
        self._known_pools.discard((tenant, name))

    async def set_pool(self, tenant: str, name: str, size: int) -> tuple[Pool, list[tuple[Scope, RequestKey]]]:
        """Creates, resizes or removes a pool; returns it and who got a slot by it."""
        self.forget_pool(tenant, name)
        pool, granted = await self._scopes.set_pool(tenant, name, size)
        scope = Scope(ScopeKind.POOL, tenant, name)
        return pool, [(scope, key) for key in granted]

    async def pools(self, tenant: str) -> list[Pool]:
        """The tenant's pools by name."""
        return await self._scopes.pools(tenant)

    async def _release(self, scope: Scope, key: RequestKey) -> list[tuple[Scope, RequestKey]]:
        try:
            granted = await self._scopes.release(scope, key, limit=self._quotas.limit(scope.kind))
        except (StoreUnavailableError, OutcomeUnknownError) as error:
            log.warning("a slot comes back when its lease runs out", scope=scope.path, error=error.message)
            return []
        return [(scope, holder) for holder in granted]
