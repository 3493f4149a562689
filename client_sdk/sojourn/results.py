"""What was found, read page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Generic, NamedTuple, Self, TypeVar

from ._paging import paged

T = TypeVar("T")


class Page(NamedTuple, Generic[T]):
    """One page: its items, the token of the next (empty on the last), and for how long the catalog may be behind."""

    items: list[T]
    token: str
    lag: timedelta


class Results(AsyncIterator[T]):
    """Sessions or invocations that were found. Pages are read as far as it is iterated; it is iterated once."""

    def __init__(self, fetch: Callable[[int, str], Awaitable[Page[T]]], limit: int | None) -> None:
        self._fetch = fetch
        self._lag: timedelta | None = None
        self._items = paged(self._next_page, limit)

    @property
    def lag(self) -> timedelta | None:
        """Everything committed longer ago than this was found; zero with `consistency="strong"`.

        It is of the last page that was read; None before the first.
        """
        return self._lag

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return await anext(self._items)

    async def _next_page(self, page_size: int, page_token: str) -> tuple[list[T], str]:
        page = await self._fetch(page_size, page_token)
        self._lag = page.lag
        return page.items, page.token
