"""Servers with several workers: which worker serves whom."""

from contextlib import AsyncExitStack

import psutil

from sojourn.v1 import session_service_pb2 as pb
from sojourn.v1.session_service_pb2_grpc import SessionServiceStub

from . import wire
from .server import ServerUnderTest


def connections(server: ServerUnderTest) -> dict[int, int]:
    """How many clients each worker serves, by its process id."""
    return {pid: _clients(pid, server.port) for pid in server.worker_pids()}


def _clients(pid: int, port: int) -> int:
    try:
        found = psutil.Process(pid).net_connections("tcp")
    except psutil.NoSuchProcess:
        return 0
    return sum(1 for one in found if one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port)


async def stubs_on_all_workers(server: ServerUnderTest, stack: AsyncExitStack) -> list[SessionServiceStub]:
    """Stubs, each on its own connection, until each of two workers has one: the kernel deals them out."""
    stubs = []
    for _ in range(64):
        stub = await stack.enter_async_context(wire.connect(server.target))
        await stub.ListSessions(pb.ListSessionsRequest(page_size=1), wait_for_ready=True)
        stubs.append(stub)
        found = connections(server)
        if len(found) == 2 and all(found.values()):
            return stubs
    raise AssertionError(f"one worker got no connection: {connections(server)}")
