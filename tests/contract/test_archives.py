"""Sessions as files in the blob store: in a local directory and on a real S3 server."""

import asyncio
import hashlib
import os
import random
from collections.abc import AsyncIterator, Iterator

import psutil
import pytest

from sojourn_server.archive import stored
from sojourn_server.archive.files import SessionFiles
from sojourn_server.blobs.opening import open_blobs
from sojourn_server.blobs.store import ObjectBlobs
from sojourn_server.domain.errors import BlobMissingError, FileInvalidError
from sojourn_server.domain.events import StoredEvent
from sojourn_server.ports.archives import ArchiveHeader, ArtifactSource
from tests.support.archived import (
    BEGAN_US,
    UID,
    cut,
    events_of,
    file_of,
    folded_of,
    pages,
    parts_of,
    pieces,
    rich_session,
    sources,
)  # fmt: skip
from tests.support.object_store import ObjectStore

MIB = 1 << 20
MANY = 2_000


@pytest.fixture(scope="module")
def s3() -> Iterator[ObjectStore]:
    server = ObjectStore()
    asyncio.run(server.start())
    yield server
    server.close()


@pytest.fixture(params=["local", "s3"])
def blobs(request, tmp_path) -> Iterator[ObjectBlobs]:
    """Empty at first."""
    if request.param == "local":
        store = open_blobs(f"file://{tmp_path}/blobs")
    else:
        server = request.getfixturevalue("s3")
        store = open_blobs(f"{server.url}/{os.urandom(4).hex()}", **server.options)
    yield store
    store.close()


@pytest.fixture(scope="module")
def long() -> bytes:
    """A file with many frames of events and an artifact, of a session larger than what is read at first."""
    noise = random.Random(1).randbytes(3 * MIB)
    folded = folded_of(MANY, state={"k": b'"%s"' % noise[:100_000].hex().encode()})
    bodies = [random.Random(n).randbytes(n % 2000) for n in range(MANY)]
    return asyncio.run(file_of(folded, events_of(folded, bodies), noise))


class Counted:
    """Counts the bytes that are read of the blobs."""

    def __init__(self, blobs: ObjectBlobs) -> None:
        self.blobs = blobs
        self.read_bytes = 0

    async def read(self, path: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        async for piece in self.blobs.read(path, start=start, end=end):
            self.read_bytes += len(piece)
            yield piece

    def __getattr__(self, name: str) -> object:
        return getattr(self.blobs, name)


async def test_a_file_is_written_verified_and_read(blobs):
    files, folded = SessionFiles(producer="test", clock=lambda: BEGAN_US), rich_session()
    await blobs.put("a", files.write(folded, pages(events_of(folded)), sources(b"artifact")))
    assert await files.verify(blobs, "a") == ArchiveHeader(1, "qa-1", UID, 3, 3, BEGAN_US, "test")
    assert await files.session(blobs, "a") == folded
    found = await files.events(blobs, "a", after=0, before=None, mask=0, count=10, reverse=False)
    assert found == events_of(folded)
    whole = b"".join([piece async for piece in blobs.read("a")])
    assert (await parts_of(whole))[1:3] == [folded, events_of(folded)]


async def test_events_are_found_by_revision_kind_and_direction(blobs, long):
    await blobs.put("a", cut(long, MIB))
    files = SessionFiles()
    log = (await parts_of(long))[2]
    dice = random.Random(2)
    ranges = [(0, None), (0, 1), (0, 2), (MANY - 1, None), (MANY, None), (MANY + 5, None), (7, 8), (7, 9), (9, 7)]
    ranges += [(dice.randrange(MANY), dice.randrange(MANY + 2)) for _ in range(25)]
    for after, before in ranges:
        for mask in (0, 1 << dice.randrange(9), 6):
            count, reverse = dice.choice((1, 10, 300, MANY)), dice.random() < 0.5
            expected = [
                event
                for event in log
                if after < event.revision < (before or MANY + 1) and (not mask or event.mask & mask)
            ]
            expected = expected[::-1][:count] if reverse else expected[:count]
            query = {"after": after, "before": before, "mask": mask, "count": count, "reverse": reverse}
            assert await files.events(blobs, "a", **query) == expected, query


async def test_little_is_read_for_little(blobs, long):
    await blobs.put("a", cut(long, MIB))
    counted, files = Counted(blobs), SessionFiles()

    async def page(after: int) -> int:
        before = counted.read_bytes
        found = await files.events(counted, "a", after=after, before=None, mask=0, count=5, reverse=False)
        assert [event.revision for event in found] == [*range(after + 1, after + 6)]
        return counted.read_bytes - before

    assert len(long) > 4 * MIB
    assert await page(1000) < MIB
    assert await page(1005) == 0, "the frame is still there"
    assert 0 < await page(10) < 600_000, "the index is still there"
    before = counted.read_bytes
    assert (await files.session(counted, "a")).session.revision == MANY
    assert counted.read_bytes - before < MIB


async def test_only_what_was_read_last_is_kept(blobs, monkeypatch):
    monkeypatch.setattr(stored, "KNOWN_FILES", 2)
    monkeypatch.setattr(stored, "KNOWN_FRAMES", 2)
    counted, files, folded = Counted(blobs), SessionFiles(), folded_of(3)
    for name in "abc":
        await blobs.put(name, pieces(await file_of(folded)))
    reads = []
    for name in "aababcabcc":
        before = counted.read_bytes
        found = await files.events(counted, name, after=1, before=None, mask=0, count=5, reverse=False)
        assert found == events_of(folded)[1:]
        reads.append(counted.read_bytes > before)
    assert reads == [True, False, True, False, False, True, True, True, True, False]


async def test_a_file_that_is_not_there(blobs):
    files = SessionFiles()
    with pytest.raises(BlobMissingError):
        await files.verify(blobs, "a")
    with pytest.raises(BlobMissingError):
        await files.session(blobs, "a")
    with pytest.raises(BlobMissingError):
        await files.events(blobs, "a", after=0, before=None, mask=0, count=1, reverse=False)


async def test_a_file_that_is_damaged(blobs, long):
    """Verifying finds it wherever it is; whoever reads a part finds it in this part."""
    await blobs.put("begin", cut(long[:300] + b"?" + long[301:], MIB))
    middle = len(long) // 8
    await blobs.put("middle", cut(long[:middle] + bytes(100) + long[middle + 100 :], MIB))
    await blobs.put("cut", cut(long[:-100], MIB))
    await blobs.put("short", pieces(long[:10]))
    for path in ("begin", "middle", "cut", "short"):
        with pytest.raises(FileInvalidError):
            await SessionFiles().verify(blobs, path)
    for path in ("begin", "short"):
        with pytest.raises(FileInvalidError):
            await SessionFiles().session(blobs, path)
    for path in ("middle", "cut", "short"):
        with pytest.raises(FileInvalidError):
            await SessionFiles().events(blobs, path, after=0, before=None, mask=0, count=MANY, reverse=False)
    assert await SessionFiles().session(blobs, "middle") == (await parts_of(long))[1]


async def test_a_large_file_takes_little_memory(tmp_path):
    """100 MiB of events and 100 MiB of an artifact go through; the process grows by less than a third of that."""
    blobs, files, folded = open_blobs(f"file://{tmp_path}/blobs"), SessionFiles(), folded_of(1600)
    process, block = psutil.Process(), os.urandom(MIB)
    before = process.memory_info().rss
    most = 0

    def measure() -> None:
        nonlocal most
        most = max(most, process.memory_info().rss - before)

    async def log() -> AsyncIterator[list[StoredEvent]]:
        for n in range(1, 1601):
            measure()
            yield [StoredEvent("s", UID, "", n, BEGAN_US, 0, 2, n.to_bytes(4, "big") + block[: MIB // 16])]

    async def data() -> AsyncIterator[bytes]:
        for _ in range(100):
            measure()
            yield block

    async def artifacts() -> AsyncIterator[ArtifactSource]:
        digest = hashlib.sha256()
        for _ in range(100):
            digest.update(block)
        yield ArtifactSource(digest.hexdigest(), 100 * MIB, data())

    await blobs.put("a", files.write(folded, log(), artifacts()))
    async for _ in files.read(blobs.read("a")):
        measure()
    assert most < 64 * MIB
    blobs.close()


async def test_the_event_loop_lives_while_a_file_is_written_and_read(long):
    """Whatever takes long is done in threads: others get their turn at least once for every large frame."""
    turns, over = 0, False

    async def others() -> None:
        nonlocal turns
        while not over:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(others())
    folded, log = (await parts_of(long))[1:3]
    read, turns = turns, 0
    data = await file_of(folded, log, level=10)
    over = True
    await task
    frames = len(log) // 300
    assert len(data) > MIB
    assert min(read, turns) > frames
