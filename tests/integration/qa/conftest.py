"""What tests of QA runs share: clients of one private server, with a project of the test's own."""

from uuid import uuid4

import pytest

import sojourn
from sojourn.qa import QAClient, Workflow


@pytest.fixture
def qa(sojourn_server, tmp_path):
    """Makes clients, each with a session of its own unless it is given one."""
    project = f"p{uuid4().hex[:12]}"

    def client(session_uuid=None, **options):
        return QAClient("ada", project, session_uuid, target=sojourn_server, results_dir=tmp_path, **options)

    return client


@pytest.fixture
def workflow():
    return Workflow("workflow", register=False)


@pytest.fixture
async def client(sojourn_server):
    async with sojourn.Client(sojourn_server) as client:
        yield client
