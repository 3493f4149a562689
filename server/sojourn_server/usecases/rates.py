"""How often requests may begin."""

from __future__ import annotations

from ..domain.errors import LimitExceededError
from ..domain.requests import Quotas, digest
from ..domain.session import SessionKey
from ..ports import ActiveStore, ScopeStore


class Rates:
    """Token buckets of sessions and users, in the store."""

    def __init__(self, scopes: ScopeStore, sessions: ActiveStore, quotas: Quotas) -> None:
        self._scopes = scopes
        self._sessions = sessions
        self._quotas = quotas

    async def spend(self, key: SessionKey) -> None:
        """Counts a request that wants to begin.

        Raises:
            LimitExceededError: `request_rate_per_session`, `request_rate_per_user`.
            NotFoundError: SESSION_*.
        """
        quotas = self._quotas
        if quotas.session_rate:
            await self._take("request_rate_per_session", f"s:{key.member}", quotas.session_rate, quotas.session_burst)
        if quotas.user_rate:
            user_id = (await self._sessions.get(key, full=False)).user_id
            if user_id:
                bucket = f"u:{key.tenant}/{digest(user_id)}"
                await self._take("request_rate_per_user", bucket, quotas.user_rate, quotas.user_burst)

    async def _take(self, limit_name: str, bucket: str, rate: float, burst: int) -> None:
        wait = await self._scopes.spend(bucket, rate=rate, burst=burst)
        if wait:
            raise LimitExceededError(limit_name, int(rate) if rate.is_integer() else rate, retry_after=wait)
