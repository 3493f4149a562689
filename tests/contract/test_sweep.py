"""The sweep removes what nobody refers to, once it is old, and nothing else."""

import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from sojourn_server.blobs.opening import open_blobs
from sojourn_server.blobs.store import ObjectBlobs
from sojourn_server.domain import details as dt
from sojourn_server.domain.paths import archive_path, artifact_path, incoming_path, snapshot_path, upload_prefix
from sojourn_server.ports.outbox import Backlog
from sojourn_server.usecases.sweeping import Sweep
from tests.support.stories import TENANT, Story, tell
from tests.support.tiering import paths

GRACE_US = 10_000_000
SHA = "0123456789abcdef" * 4


@dataclass
class Behind:
    """An outbox, as far as the sweep looks at it."""

    now: Backlog = field(default_factory=Backlog)

    async def backlog(self) -> Backlog:
        return self.now


@pytest.fixture
def blobs(tmp_path):
    blobs = open_blobs(f"file://{tmp_path}")
    yield blobs
    blobs.close()


@pytest.fixture
def outbox() -> Behind:
    return Behind()


@pytest.fixture
def sweep(blobs, catalog, outbox) -> Sweep:
    return Sweep(blobs, catalog.tiers, outbox, GRACE_US)


async def put(blobs: ObjectBlobs, *names: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"

    for name in names:
        await blobs.put(name, pieces())


def later() -> int:
    """A time at which everything written so far is old."""
    return time.time_ns() // 1000 + 2 * GRACE_US


async def test_files_of_sessions(sweep, blobs, catalog):
    story = Story("a").says("hi")
    await tell(catalog, story)
    uid = story.session.uid
    used = snapshot_path(uid, 2)
    await put(blobs, used, snapshot_path(uid, 2), archive_path(uid, 2), snapshot_path("00" * 8, 1))
    assert await catalog.tiers.set_snapshot(uid, 2, used) == ""
    assert await sweep.run(later()) == 3
    assert await paths(blobs) == [used]


async def test_what_is_young_stays(sweep, blobs):
    await put(blobs, snapshot_path("00" * 8, 1), incoming_path(), artifact_path("nobody", SHA))
    assert await sweep.run(time.time_ns() // 1000) == 0
    assert len(await paths(blobs)) == 3


async def test_bytes_of_artifacts(sweep, blobs, catalog):
    artifact = dt.ArtifactDetail("a", 1, "", 1, SHA, "", {}, "")
    await tell(catalog, Story("a").add(artifact), Story("b", tenant="other"))
    used = artifact_path(TENANT, SHA)
    others = [artifact_path(TENANT, SHA[::-1]), artifact_path("other", SHA), artifact_path("nobody", SHA)]
    await put(blobs, used, *others)
    assert await sweep.run(later()) == 3
    assert await paths(blobs) == [used]


async def test_bytes_stay_while_the_catalog_is_far_behind(sweep, blobs, outbox):
    await put(blobs, artifact_path(TENANT, SHA))
    outbox.now = Backlog(1, GRACE_US / 1_000_000)
    assert await sweep.run(later()) == 0
    outbox.now = Backlog()
    assert await sweep.run(later()) == 1


async def test_what_was_never_finished(sweep, blobs):
    await put(blobs, incoming_path(), f"{upload_prefix(TENANT, 'ab' * 16)}/00000000000000000000-0123")
    assert await sweep.run(later()) == 2
    assert await paths(blobs) == []


async def test_an_upload_that_goes_on_keeps_its_first_parts(blobs, sweep, tmp_path):
    prefix, abandoned = upload_prefix(TENANT, "ab" * 16), upload_prefix(TENANT, "cd" * 16)
    await put(blobs, f"{prefix}/{0:020}-01", f"{prefix}/{1:020}-02", f"{abandoned}/{0:020}-01")
    now = time.time_ns() // 1000
    for name in (f"{prefix}/{0:020}-01", f"{abandoned}/{0:020}-01"):
        os.utime(tmp_path / name, (0, 0))
    assert await sweep.run(now) == 1
    assert await paths(blobs) == [f"{prefix}/{0:020}-01", f"{prefix}/{1:020}-02"]
