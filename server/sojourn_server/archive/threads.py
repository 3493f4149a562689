"""Work that would keep the event loop from everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
INLINE_BYTES = 32 << 10
"""So much is not worth a thread."""


async def threaded(size: int, work: Callable[[], T]) -> T:
    """Does work on so many bytes: in a thread, unless it is little."""
    return work() if size <= INLINE_BYTES else await asyncio.to_thread(work)
