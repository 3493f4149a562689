"""The keeper: a process of its own brings the catalog up to date and moves sessions; it is replaced when it dies."""

import asyncio
import os
import signal
from contextlib import suppress
from uuid import uuid4

import psutil
import pytest

from sojourn.v1 import search_pb2 as spb
from sojourn.v1 import session_pb2
from sojourn.v1 import session_service_pb2 as pb
from tests.support import wire
from tests.support.engine_probe import gone
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until
from tests.support.wire import create


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    directory = tmp_path_factory.mktemp("keeper")
    process = ServerUnderTest(
        data_dir=directory, keeper=True, project_seconds=0.05, recent_after_seconds=0, archiver_seconds=0.1
    )
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture
async def stub(server):
    async with wire.connect(server.target) as found:
        yield found


def keepers(server) -> list[int]:
    found = []
    for child in psutil.Process(server.pid).children():
        with suppress(psutil.Error):  # one that has just died says nothing
            found += [child.pid] if "sojourn_server.keeper" in child.cmdline() else []
    return found


async def tier_of(stub, sid) -> int:
    """As the catalog has it, without asking for it to be brought up to date."""
    query = pb.ListSessionsRequest(consistency=spb.CONSISTENCY_EVENTUAL, page_size=1000)
    found = await stub.ListSessions(query)
    return next((session.storage.tier for session in found.sessions if session.id == sid), 0)


async def test_sessions_reach_the_catalog_and_move_on(server, stub):
    sid = f"k{uuid4().hex[:12]}"
    await create(stub, sid)

    async def in_catalog():
        return await tier_of(stub, sid) == session_pb2.TIER_HOT

    await wait_until(in_catalog, description="the catalog knows it")
    await stub.CompleteSession(pb.CompleteSessionRequest(session_id=sid))

    async def has_moved():
        return await tier_of(stub, sid) == session_pb2.TIER_RECENT

    await wait_until(has_moved, description="it left the active store")


async def test_one_that_dies_is_replaced(server, stub):
    await wait_until(lambda: keepers(server), description="there is a keeper")
    (first,) = keepers(server)
    os.kill(first, signal.SIGKILL)
    await wait_until(lambda: keepers(server) not in ([], [first]), description="there is another")
    sid = f"k{uuid4().hex[:12]}"
    await create(stub, sid)

    async def in_catalog():
        return await tier_of(stub, sid) != 0

    await wait_until(in_catalog, description="it does what the first one did")


async def test_it_ends_with_its_server(tmp_path):
    async with ServerUnderTest(data_dir=tmp_path, keeper=True) as server:
        await wait_until(lambda: keepers(server), description="there is a keeper")
        (pid,) = keepers(server)
        await server.kill()
        await wait_until(lambda: gone(pid), description="nothing is left of it")
