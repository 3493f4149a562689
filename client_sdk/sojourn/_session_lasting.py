"""Methods of a session's handle that are about its whole: saving, resuming, forking, summing up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._transport import tiers
from .models import Session, Storage
from .statistics import SessionStatistics

if TYPE_CHECKING:
    from .client import Client
    from .session import SessionHandle


class LastingMethods:
    """What sessions that last are for."""

    __slots__ = ()

    id: str
    _client: Client

    def _take(self, info: Session) -> None:
        raise NotImplementedError

    async def statistics(self, *, include_children: bool = False) -> SessionStatistics:
        """What the session did, summed up; everything acknowledged before the call counts.

        `include_children`: in `roll_up` of what is returned, the sum of it and of all sessions below it (whose `parent`
        it is, and so on; at most 10,000). Raises CatalogUnavailableError.
        """
        core = self._client._live()
        return await core.call(lambda timeout: core.calls.insight.session(self.id, include_children, timeout))

    async def save(self) -> Storage:
        """Write a snapshot of the session to the blob store now; where its data is. It was read back and verified.

        Raises CatalogUnavailableError and BlobsUnavailableError.
        """
        core = self._client._live()
        return await core.call(lambda timeout: core.calls.tiers.save(self.id, timeout))

    async def resume(self) -> bool:
        """Make the session active again, from whichever tier, with its whole history; whether it had ended.

        Its `info` is read anew. Raises CatalogUnavailableError and BlobsUnavailableError.
        """
        core = self._client._live()
        key = core.mint_key()
        request = tiers.resume_request(self.id, writer=core.behaviour.writer, idempotency_key=key)
        info, resumed = await core.call(
            lambda timeout: core.calls.tiers.resume(request, timeout), change=(self.id, key)
        )
        self._take(info)
        return resumed

    async def fork(
        self, *, at_revision: int | None = None, session_id: str | None = None, idempotency_key: str | None = None
    ) -> SessionHandle:
        """A new session, active, whose state and history are this one's up to a revision; its `parent` is this one.

        Args:
            at_revision: the last revision it shares. None: the present one.
            session_id: its id. None: the server mints one.
            idempotency_key: the same key within 24 hours has the same fork. None: a new one.

        Raises SessionAlreadyExistsError, InvalidFieldError, CatalogUnavailableError and BlobsUnavailableError.
        """
        core = self._client._live()
        key = idempotency_key or core.mint_key()
        request = tiers.fork_request(
            self.id,
            at_revision=at_revision,
            new_session_id=session_id,
            writer=core.behaviour.writer,
            idempotency_key=key,
        )
        from .session import SessionHandle  # which is one of us

        info = await core.call(
            lambda timeout: core.calls.tiers.fork(request, timeout), change=(session_id or self.id, key)
        )
        return SessionHandle(self._client, info.id, info)
