"""Store URLs: what they say, and connections made from them. The only module that knows redis-py's connection
classes."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo

DRIVER = DriverInfo()
"""What connections say of their driver: redis-py would read its package's metadata again for each of them."""
SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster")


class Address(NamedTuple):
    """Where a node listens. A tuple, because lists of 16384 of them are searched and made sets of."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Connector:
    """Makes connections for a store URL. Credentials, TLS and database of the URL hold for every node of a cluster."""

    def __init__(self, url: str) -> None:
        scheme = urlsplit(url).scheme
        if scheme not in SCHEMES:
            raise ValueError(f"store URL: expected one of {', '.join(s + '://' for s in SCHEMES)}")
        self.cluster = scheme.endswith("+cluster")
        self.seeds: list[Address] = []
        if self.cluster:
            url = self._first_seed(url)
        self._pool = ConnectionPool.from_url(
            url,
            protocol=2,
            decode_responses=False,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,
            socket_connect_timeout=5,
            health_check_interval=0,
            client_name="sojourn",
            driver_info=DRIVER,
        )
        self.name = str(self._pool.connection_kwargs.get("path") or self.address or "store")

    @property
    def address(self) -> Address | None:
        """The node the URL names; None for unix sockets."""
        kwargs = self._pool.connection_kwargs
        return None if "path" in kwargs else Address(kwargs.get("host", "localhost"), int(kwargs.get("port", 6379)))

    def connection(self, address: Address | None = None) -> AbstractConnection:
        """A new, unconnected connection to `address`, or to where the URL says."""
        kwargs: dict[str, Any] = copy.copy(self._pool.connection_kwargs)
        if address:
            kwargs.update(host=address.host, port=address.port)
        connection: AbstractConnection = self._pool.connection_class(**kwargs)
        return connection

    def _first_seed(self, url: str) -> str:
        """`redis+cluster://user:password@host:port,host:port` as a plain URL of the first seed."""
        parts = urlsplit(url)
        credentials, _, hosts = parts.netloc.rpartition("@")
        for item in hosts.split(","):
            host, _, port = item.rpartition(":") if ":" in item else (item, "", "6379")
            if not host or not port.isdigit():
                raise ValueError("store URL: expected redis+cluster://HOST:PORT[,HOST:PORT...]")
            self.seeds.append(Address(host, int(port)))
        netloc = f"{credentials}@{self.seeds[0]}" if credentials else str(self.seeds[0])
        return urlunsplit((parts.scheme.removesuffix("+cluster"), netloc, "", parts.query, ""))
