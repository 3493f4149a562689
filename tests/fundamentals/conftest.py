"""Every test here has a client of its own on one private server (`sojourn_server`, a fixture that comes with the SDK)
and a name of its own for what it creates."""

from uuid import uuid4

import pytest

import sojourn


@pytest.fixture
async def client(sojourn_server):
    async with sojourn.Client(sojourn_server) as client:
        yield client


@pytest.fixture
def name():
    return f"f{uuid4().hex[:12]}"
