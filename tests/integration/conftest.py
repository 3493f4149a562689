"""What tests on the wire share: a server for each file, a stub, a session id of the test's own."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

import pytest

from tests.support import wire
from tests.support.recordings import recordings
from tests.support.replayed import Recorded, replay
from tests.support.server import ServerUnderTest


@dataclass(frozen=True)
class Replayed:
    """A server that has the recorded conversations as sessions, the newest first."""

    target: str
    sessions: list[Recorded]


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


@pytest.fixture(scope="session")
def replayed():
    """An ephemeral server with the recordings replayed; tests leave those sessions (kind `replay`) as they are."""
    recordings()  # nothing is started where there are none
    process = ServerUnderTest()
    asyncio.run(process.start())
    try:
        yield Replayed(process.target, asyncio.run(replay(process.target)))
    finally:
        asyncio.run(process.stop())
