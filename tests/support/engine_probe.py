"""Small looks at an engine and its process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
from redis.asyncio import Redis, from_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Redis]:
    """A client without retries, with decoded responses."""
    async with from_url(url, decode_responses=True, retry=Retry(NoBackoff(), 0)) as client:
        yield client


async def get(url: str, key: str) -> str | None:
    async with connect(url) as client:
        return await client.get(key)


async def put(url: str, key: str, value: str) -> None:
    async with connect(url) as client:
        await client.set(key, value)


def gone(pid: int) -> bool:
    """Whether the process has ended (an unreaped one has)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
