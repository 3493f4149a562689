"""Clients for commands."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import sojourn

    from ._profiles import Server

_CONNECT_SECONDS = 3.0
"""Someone who forgot to start the server should not wait as long as one whose server restarts."""


@asynccontextmanager
async def connected(
    server: Server, *, retry_for: float = 10.0, connect: float | None = None
) -> AsyncIterator[sojourn.Client]:
    """A client whose calls are retried for `retry_for` seconds in all, once the server has answered.

    Raises:
        UnavailableError, DeadlineExceededError: the server does not answer within a few seconds.
    """
    import sojourn

    timeouts = sojourn.Timeouts(total=retry_for, attempt=min(retry_for, 10.0), connect=connect or _CONNECT_SECONDS)
    client = sojourn.Client(
        server.target, api_key=server.api_key, tls=tls_of(server), project=server.project, user_id=server.user,
        writer="sojourn-cli", timeouts=timeouts,
    )  # fmt: skip
    async with client:
        yield client


def tls_of(server: Server) -> sojourn.TLS | bool:
    import sojourn

    if isinstance(server.tls, bool):
        return server.tls
    return sojourn.TLS.from_files(root_certificates=server.tls)


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
