"""What tests on the wire share: a server for each file, a stub, a session id of the test's own."""

import asyncio
from uuid import uuid4

import pytest

from tests.support import wire
from tests.support.server import ServerUnderTest


@pytest.fixture(scope="module")
def server():
    """An ephemeral server for the file's tests; a file that needs another defines its own `server`."""
    process = ServerUnderTest()
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture
async def stub(server):
    async with wire.connect(server.target) as stub:
        yield stub


@pytest.fixture
def sid():
    return f"w{uuid4().hex[:12]}"
