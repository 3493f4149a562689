"""The floors: a grpc.aio server that does nothing but answer, so that what it costs is what gRPC costs.

Raw bytes pass through (no protobuf). `python -m bench.floors` serves it on a free loopback port.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import uvloop

from bench.frames import UINT32

REPLY = "/bench.Floor/Reply"
STREAM = "/bench.Floor/Stream"
ECHO = "/bench.Floor/Echo"
GO = "/bench.Floor/Go"

if TYPE_CHECKING:
    # Generic in its type stubs only.
    Context = grpc.aio.ServicerContext[bytes, bytes]


def reply_request(size: int, reply: int) -> bytes:
    """A request of `size` bytes (at least 4) that asks for `reply` bytes."""
    return UINT32.pack(reply).ljust(size, b"\x55")


def stream_request(count: int, first: bytes, message: bytes) -> bytes:
    """A request for a stream of `first` at once and `count` times `message` at the next Go."""
    return UINT32.pack(count) + UINT32.pack(len(first)) + first + message


class Floor(grpc.GenericRpcHandler):
    """The four methods, with bytes in and bytes out."""

    def __init__(self) -> None:
        self._gate = asyncio.Event()
        self._replies: dict[bytes, bytes] = {}
        self._handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            REPLY: grpc.unary_unary_rpc_method_handler(self.reply),
            STREAM: grpc.unary_stream_rpc_method_handler(self.stream),
            ECHO: grpc.stream_stream_rpc_method_handler(self.echo),
            GO: grpc.unary_unary_rpc_method_handler(self.go),
        }

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        return self._handlers.get(details.method)

    async def reply(self, request: bytes, context: Context) -> bytes:
        size = request[:4]
        reply = self._replies.get(size)
        if reply is None:
            reply = self._replies[size] = b"\xaa" * UINT32.unpack(size)[0]
        return reply

    async def echo(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        async for request in requests:
            yield await self.reply(request, context)

    async def stream(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        count, length = UINT32.unpack_from(request)[0], UINT32.unpack_from(request, 4)[0]
        message = request[8 + length :]
        yield request[8 : 8 + length]
        await self._gate.wait()
        for _ in range(count):
            yield message
        await asyncio.Event().wait()  # stay open, as a watch does, until the client ends it

    async def go(self, request: bytes, context: Context) -> bytes:
        self._gate.set()
        self._gate = asyncio.Event()
        return b"gone"


async def serve() -> None:
    """Serve until stdin ends."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((Floor(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ready = Path(os.environ["SOJOURN_READY_FILE"])
    scratch = ready.with_suffix(".tmp")
    scratch.write_text(json.dumps({"target": f"127.0.0.1:{port}", "pid": os.getpid()}))
    scratch.rename(ready)
    ended = asyncio.Event()

    def read_stdin() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            ended.set()

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), read_stdin)
    await ended.wait()
    await server.stop(0)


if __name__ == "__main__":
    uvloop.run(serve())
