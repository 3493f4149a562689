"""What clients and sessions do about requests and pools, beside tracking them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

from . import _paging
from ._core import Core
from ._transport import faults, render_requests
from ._transport.render_requests import Begin
from .config import Seconds
from .enums import RequestPolicy, RequestState, SessionStatus
from .errors import LeaseLostError, RequestEndedError, SojournError
from .models import Pool, Request


def begin(
    core: Core,
    session_id: str,
    name: str,
    *,
    priority: int,
    policy: RequestPolicy | str,
    exclusive: bool,
    timeout: Seconds | None,
    pool: str | None,
    request_id: str | None,
    lease_ttl: Seconds | None,
    expected_revision: int | None = None,
    required_status: SessionStatus | str | None = None,
) -> Begin:
    """What a request begins with; its id is minted when none is given."""
    return render_requests.begin(
        session_id,
        request_id or uuid4().hex,
        name,
        priority=priority,
        policy=policy,
        exclusive=exclusive,
        timeout=timeout,
        pool=pool,
        lease_ttl=lease_ttl,
        expected_revision=expected_revision,
        required_status=required_status,
        writer=core.behaviour.writer,
    )


def live_requests(
    core: Core,
    *,
    session_id: str | None,
    user_id: str | None,
    project: str | None,
    pool: str | None,
    state: RequestState | str | None,
    limit: int | None,
) -> AsyncIterator[Request]:
    """The live requests that match, read page by page."""
    query = render_requests.list_requests(
        session_id=session_id, user_id=user_id, project=project, pool=pool, state=state
    )

    async def fetch(page_size: int, page_token: str) -> tuple[list[Request], str]:
        page = render_requests.page_of_requests(query, page_size=page_size, page_token=page_token)
        return await core.call(lambda timeout: core.calls.tracking.list_requests(page, timeout))

    return _paging.paged(fetch, limit)


async def cancel_request(core: Core, session_id: str, request_id: str, *, reason: str, force: bool) -> bool:
    """Ask a request to stop; whether it has ended."""
    request = render_requests.cancel_request(
        session_id, request_id, reason=reason, force=force, writer=core.behaviour.writer
    )
    perhaps_ended = False

    async def attempt(timeout: float) -> bool:
        nonlocal perhaps_ended
        try:
            return await core.calls.tracking.cancel_request(request, timeout)
        except (RequestEndedError, LeaseLostError):
            if perhaps_ended:
                return True  # by the attempt before, whose answer was lost
            raise
        except SojournError as error:
            perhaps_ended = perhaps_ended or faults.may_have_happened(error)
            raise

    return await core.call(attempt)


async def set_pool(core: Core, name: str, size: int) -> Pool:
    """Make, resize or (size 0) remove a pool."""
    request = render_requests.set_pool(name, size)
    return await core.call(lambda timeout: core.calls.tracking.set_pool(request, timeout))


async def pools(core: Core) -> list[Pool]:
    """The pools by name."""
    return await core.call(core.calls.tracking.list_pools)
