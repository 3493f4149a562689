"""Where streams of bytes are read: one message at a time, and an end for senders that stopped sending."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from ..domain.errors import LimitExceededError

PATIENCE = 60.0
"""Seconds a sender may take for one message."""


class Inlets:
    """The reading ends of this server's calls."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._reads: set[asyncio.Task[Any]] = set()

    async def read(self, context: Any) -> Any | None:
        """The next message of a call; None at its end, and where the connection broke: gRPC does not tell them apart.

        Raises:
            LimitExceededError: nothing came in time.
        """
        # It is not cancelled when we are: gRPC ends a pending read with the call, and what is cancelled is not freed.
        read = asyncio.create_task(context.read(), name="inlet")
        self._reads.add(read)
        read.add_done_callback(self._done)
        await asyncio.wait({read}, timeout=self._patience)
        if not read.done():
            raise LimitExceededError("seconds_without_data", self._patience)
        if read.cancelled() or read.exception() is not None or read.result() is grpc.aio.EOF:
            return None
        return read.result()

    def _done(self, read: asyncio.Task[Any]) -> None:
        self._reads.discard(read)
        if not read.cancelled():
            read.exception()  # looked at: the call may be over
