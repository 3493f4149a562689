"""Your own tests: a private server for a block, or for the whole run.

`sojourn.testing.server()` needs nothing but `pip install 'sojourn[server]'`; the pytest fixture `sojourn_server`, which
the other tests here use, does the same once for all tests.
"""

import pytest

import sojourn
from sojourn import testing


async def test_a_private_server_for_a_block():
    async with testing.server() as target, sojourn.Client(target) as client:
        await client.create_session("mine")
        assert [session.id async for session in client.list_sessions()] == ["mine"]


async def test_servers_do_not_know_each_other():
    async with testing.server() as one, testing.server() as two:
        async with sojourn.Client(one) as client:
            await client.create_session("mine")
        async with sojourn.Client(two) as client:
            assert [session.id async for session in client.list_sessions()] == []


async def test_with_settings_of_the_server():
    async with testing.server(max_state_bytes=1024) as target, sojourn.Client(target) as client:
        session = await client.create_session()
        with pytest.raises(sojourn.StateLimitExceededError):
            await session.set_state({"page": "x" * 2000})
