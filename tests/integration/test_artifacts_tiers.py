"""Artifacts of sessions that move through the tiers, are forked, and are deleted."""

import asyncio
import os
from pathlib import Path

import pytest

import sojourn as sdk
from sojourn import _uploading
from sojourn_server.domain.paths import artifact_path
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def blobs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("blobs")


@pytest.fixture(scope="module")
def server(blobs):
    process = ServerUnderTest(
        blobs=blobs.as_uri(), recent_after_seconds=0, archive_after_seconds=0.5, archiver_seconds=0.1,
        sweep_grace_seconds=4, project_seconds=0.1,
    )  # fmt: skip
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture
async def client(server):
    async with sdk.Client(server.target) as client:
        yield client


async def seen(session):
    """All that is told of its artifacts, and their bytes."""
    listed = [artifact async for artifact in session.artifacts()]
    return [(one, await session.get_artifact(one.name, version=one.version)) for one in listed]


async def test_they_are_the_same_in_every_tier(client, sid):
    session = await client.create_session(sid)
    for data in (b"one", b"two", os.urandom(2 << 20)):
        await session.put_artifact("a", data)
    before = await seen(session)
    await session.complete()
    tiers = set()
    while "archive" not in tiers:
        tiers.add((await session.refresh()).storage.tier)
        assert await seen(session) == before
    with pytest.raises(sdk.SessionEndedError):
        await session.put_artifact("a", b"four")
    await session.resume()
    assert (await session.put_artifact("a", b"four")).version == 4
    assert (await seen(session))[:3] == before


async def test_they_are_swept_when_no_session_and_no_fork_has_them(client, sid, blobs, monkeypatch):
    monkeypatch.setattr(_uploading, "SEGMENT", 1000)
    session = await client.create_session(sid)
    kept = await session.put_artifact("a", os.urandom(1000))
    lone = await session.put_artifact("b", os.urandom(1000))
    fork = await session.fork(at_revision=kept.revision)
    with pytest.raises(KeyError):
        await fork.put_artifact("c", given_up())

    def there(artifact):
        return (blobs / artifact_path("default", artifact.sha256)).exists()

    def uploaded():
        return [name for *_, names in os.walk(blobs / "uploads") for name in names]

    assert there(kept)
    assert there(lone)
    assert uploaded()
    await client.delete_session(session.id)
    await wait_until(lambda: not there(lone), timeout=60, description="what nobody has any more is swept")
    await wait_until(lambda: not uploaded(), timeout=60, description="the upload is swept")
    assert there(kept)
    assert [data for _, data in await seen(fork)] == [await fork.get_artifact("a")]
    assert (await fork.put_artifact("a", b"new")).version == 2
    await client.delete_session(fork.id)
    await wait_until(lambda: not there(kept), timeout=60, description="now this, too")


def given_up():
    yield bytes(1000)
    yield bytes(1000)
    raise KeyError("no more")
