"""Every test here runs on both deployments. The servers are shared by a file's tests, so each test has ids, users and
projects of its own."""

import pytest

import sojourn
from tests.support.deployments import NAMES, deployments


@pytest.fixture(scope="session")
def places():
    """The deployments; what their servers share runs until the test run's end."""
    with deployments() as places:
        yield places


@pytest.fixture(scope="module", params=NAMES)
def deployment(request, places):
    """`async with deployment.server(**settings) as server:` a server of that kind with data of its own."""
    return places.get(request.param)


@pytest.fixture(scope="module")
def target(places, deployment):
    """Where a server with default settings is, shared by the file's tests."""
    with places.serving(deployment, keeper=True) as server:
        yield server.target


@pytest.fixture
async def client(target):
    async with sojourn.Client(target) as client:
        yield client
