"""A store on an engine of the test's own, which may be broken."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import NotFoundError, SojournError
from sojourn_server.store.opening import StoreSettings, open_store

from .sessions import Desk
from .store_engines import SHARDS


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[Desk]:
    """A desk at the store at `url`, with one session that has `n` = 0."""
    async with AsyncExitStack() as stack:
        desk = Desk(await open_store(StoreSettings(url, shards=SHARDS, **settings), stack))
        await desk.create(state={"n": b"0"})
        yield desk


async def works(desk: Desk) -> bool:
    """Whether the store takes writes."""
    try:
        await desk.write(ch.Custom("works"), sid="probe")
    except NotFoundError:
        await desk.create("probe", or_get=True)
    except SojournError:
        return False
    return True
