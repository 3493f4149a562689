"""The server that a courier delivers to."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ...client import DEFAULT_TARGET, TARGET_VARIABLE, Client
from ...config import TLS, Timeouts
from ...embedded import EmbeddedServerError, resolve
from ...errors import ServerUnreachableError

_TOTAL, _ATTEMPT = 10.0, 5.0
_PROJECT_SECONDS = 5.0
"""How long an embedded server's catalog may be behind. It stores the whole session each time, with all its steps, while
the tests need the machine; who reads the catalog has it catch up first."""


class UnresolvedError(Exception):
    """There is no server to deliver to; the message says why."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connected client."""

    client: Client
    target: str
    embedded: bool
    """Whether it is the project's own server, which ends when its users are gone."""


@asynccontextmanager
async def connection(header: Mapping[str, Any], *, patience: float = 2.0) -> AsyncIterator[Connection]:
    """A client of the server that a spool's header names, else of the one that is found.

    patience: seconds for the connection. Raises UnresolvedError; ServerUnreachableError, at once when nobody listens.
    """
    target, api_key, tls = _named(header["target"])
    if target:
        await _probe(target, patience)
    try:
        async with resolve(target, data_dir=header["data_dir"], project_seconds=_PROJECT_SECONDS) as found:
            client = Client(
                found,
                api_key=api_key,
                tls=tls,
                writer=f"pytest/{socket.gethostname()}/{header.get('pid', os.getpid())}"[:128],
                timeouts=Timeouts(total=_TOTAL, attempt=_ATTEMPT, connect=patience),
            )
            async with client:
                yield Connection(client, found, embedded=target is None and found != DEFAULT_TARGET)
    except EmbeddedServerError as error:
        raise UnresolvedError(str(error)) from error


def _named(target: str | None) -> tuple[str | None, str | None, TLS | bool]:
    """Target, key and encryption as the command line would choose them; no target where nothing names one."""
    import click

    from ...cli._profiles import resolve as named

    try:
        server = named(None if target == os.environ.get(TARGET_VARIABLE) else target)
    except click.ClickException as error:  # the profile file is wrong
        raise UnresolvedError(error.format_message()) from None
    tls = server.tls if isinstance(server.tls, bool) else TLS.from_files(root_certificates=server.tls)
    return (server.target if "target" in server.origins else None), server.api_key, tls


async def _probe(target: str, patience: float) -> None:
    """Raises ServerUnreachableError when nobody listens there; what is no `host:port` is left to gRPC."""
    host, _, port = target.rpartition(":")
    if not (host and port.isdecimal()) or "/" in target:
        return
    try:
        async with asyncio.timeout(patience):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.close()
    except (OSError, TimeoutError, OverflowError):
        raise ServerUnreachableError(f"nobody answers at {target}") from None
