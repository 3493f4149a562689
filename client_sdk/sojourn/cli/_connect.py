"""Clients for commands."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import sojourn

_CONNECT_SECONDS = 3.0
"""Someone who forgot to start the server should not wait as long as one whose server restarts."""


@asynccontextmanager
async def connected(target: str, *, retry_for: float = 10.0) -> AsyncIterator[sojourn.Client]:
    """A client whose calls are retried for `retry_for` seconds in all, once the server has answered.

    Raises:
        UnavailableError, DeadlineExceededError: the server does not answer within a few seconds.
    """
    import sojourn

    timeouts = sojourn.Timeouts(total=retry_for, attempt=min(retry_for, 10.0), connect=_CONNECT_SECONDS)
    async with sojourn.Client(target, writer="sojourn-cli", timeouts=timeouts) as client:
        yield client


@contextmanager
def telling_interruptions() -> Iterator[None]:
    """Tells the user on standard error when a watch loses its server and how it goes about it."""

    class Teller(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            click.secho(record.getMessage(), fg="yellow", err=True)

    logger = logging.getLogger("sojourn.watch")
    teller, level = Teller(), logger.level
    logger.addHandler(teller)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(teller)
        logger.setLevel(level)
