"""The blob store, in a local directory and on a real S3 server."""

import asyncio
import hashlib
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic, time

import psutil
import pytest

from sojourn_server.blobs import store as blob_store
from sojourn_server.blobs.local import UPLOADS, LocalBlobs
from sojourn_server.blobs.opening import open_blobs
from sojourn_server.blobs.store import ObjectBlobs
from sojourn_server.domain.errors import BlobMissingError, BlobsUnavailableError, TooLargeError
from tests.support.object_store import ObjectStore
from tests.support.waiting import wait_until

MIB = 1 << 20


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


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def put(blobs: ObjectBlobs, path: str, content: bytes) -> None:
    assert await blobs.put(path, pieces(content)) == len(content)


async def get(blobs: ObjectBlobs, path: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in blobs.read(path, start=start, end=end)])


async def listed(blobs: ObjectBlobs, prefix: str = "") -> list[str]:
    return sorted([blob.path async for blob in blobs.list(prefix)])


@pytest.mark.parametrize("size", [0, 1, 1000, MIB, 9 * MIB + 7])
async def test_what_is_put_is_read(blobs, size):
    content = os.urandom(size)
    parts = [content[begin : begin + 300_000] for begin in range(0, size, 300_000)]
    assert await blobs.put("a/b-1_2.bin", pieces(*parts)) == size
    read = [piece async for piece in blobs.read("a/b-1_2.bin")]
    assert b"".join(read) == content
    assert all(0 < len(piece) <= MIB for piece in read)
    found = await blobs.head("a/b-1_2.bin")
    assert (found.path, found.size) == ("a/b-1_2.bin", size)
    assert abs(found.modified_us / 1e6 - time()) < 60


async def test_an_object_is_replaced(blobs):
    for content in (b"first, and longer", b"second"):
        await put(blobs, "a", content)
        assert await get(blobs, "a") == content


@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (0, 4), (3, 7), (9, 10), (3, None), (0, 100), (9, 100), (10, None), (10, 20),
                       (11, None), (100, 200), (4, 4), (5, 2), (0, 0)]
)  # fmt: skip
async def test_ranges(blobs, start, end):
    content = b"0123456789"
    await put(blobs, "a", content)
    assert await get(blobs, "a", start, end) == content[start:end]


async def test_ranges_of_an_empty_object(blobs):
    await put(blobs, "a", b"")
    assert await get(blobs, "a", 0, 5) == b""
    assert await get(blobs, "a", 1) == b""


async def test_what_is_missing(blobs):
    await put(blobs, "directory/object", b"x")
    for path in ("none", "directory", "directory/none", "directory/object/none"):
        assert await blobs.head(path) is None
        for start in (0, 5):
            with pytest.raises(BlobMissingError):
                await get(blobs, path, start)
        with pytest.raises(BlobMissingError):
            await blobs.move(path, "elsewhere")
        await blobs.delete(path)
    assert await listed(blobs) == ["directory/object"]


async def test_lists(blobs):
    names = ["a/1", "a/2", "a/b/3", "ab/4", "a.5", *(f"many/{n:04d}" for n in range(120))]
    await asyncio.gather(*(put(blobs, name, name.encode()) for name in names))
    assert await listed(blobs) == sorted(names)
    assert await listed(blobs, "a") == ["a/1", "a/2", "a/b/3"]
    assert await listed(blobs, "a/b") == ["a/b/3"]
    assert await listed(blobs, "none") == []
    sizes = {blob.path: blob.size async for blob in blobs.list("a")}
    assert sizes == {"a/1": 3, "a/2": 3, "a/b/3": 5}


@pytest.mark.parametrize("large", [blob_store.LARGE, 1])
async def test_moving_again_changes_nothing(blobs, monkeypatch, large):
    monkeypatch.setattr(blob_store, "LARGE", large)
    await put(blobs, "from/a", b"content")
    await put(blobs, "to/a", b"what was there before")
    for _ in range(3):
        await blobs.move("from/a", "to/a")
        assert await get(blobs, "to/a") == b"content"
        assert await blobs.head("from/a") is None
    # As after a crash between the copy and the removal of what was copied.
    await put(blobs, "from/a", b"content")
    await blobs.move("from/a", "to/a")
    assert await listed(blobs) == ["to/a"]


async def test_deleting_again_changes_nothing(blobs):
    await put(blobs, "a/b/c", b"x")
    await put(blobs, "a/d", b"x")
    for _ in range(2):
        await blobs.delete("a/b/c")
        assert await listed(blobs) == ["a/d"]
    await put(blobs, "a/b/c", b"again")
    assert await get(blobs, "a/b/c") == b"again"


@pytest.mark.parametrize("before", [None, b"what was there before"])
@pytest.mark.parametrize("good", [0, 1, 20])
async def test_nothing_is_seen_of_what_fails(blobs, s3, before, good):
    """Nor left behind, however far it came; the caller's error comes out as it is."""
    if before is not None:
        await put(blobs, "a", before)

    async def breaking() -> AsyncIterator[bytes]:
        for _ in range(good):
            yield b"x" * MIB
            assert await blobs.head("a") is None or before is not None
        raise TooLargeError("artifact", actual=2, limit=1)

    with pytest.raises(TooLargeError):
        await blobs.put("a", breaking())
    assert await listed(blobs) == ([] if before is None else ["a"])
    if before is not None:
        assert await get(blobs, "a") == before
    assert leftovers(blobs) == []
    assert "<Upload>" not in s3.uploads()


async def test_an_error_of_the_callers_own_is_not_the_stores(blobs):
    async def breaking() -> AsyncIterator[bytes]:
        yield b"x"
        raise OSError("the caller's connection broke")

    with pytest.raises(OSError, match="the caller's connection broke"):
        await blobs.put("a", breaking())


async def test_nothing_is_seen_of_what_is_cancelled(blobs, s3):
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * MIB
            begun.set()
            await asyncio.sleep(0.01)

    task = asyncio.ensure_future(blobs.put("a", endless()))
    await begun.wait()
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await listed(blobs) == []
    await wait_until(lambda: leftovers(blobs) == [])


def leftovers(blobs: ObjectBlobs) -> list[str]:
    """Files of a local store that are no objects."""
    if not isinstance(blobs, LocalBlobs):
        return []
    uploads = blobs._root / UPLOADS
    return [str(path) for path in uploads.rglob("*") if path.is_file() and path.suffix != ".lock"]


async def test_many_at_once(blobs):
    contents = {f"d{n % 7}/{n}": os.urandom(1000 * n) for n in range(60)}
    await asyncio.gather(*(put(blobs, path, content) for path, content in contents.items()))
    found = await asyncio.gather(*(get(blobs, path) for path in contents))
    assert found == list(contents.values())
    await asyncio.gather(
        *(blobs.delete(path) for path in contents), *(put(blobs, f"{path}x", b"y") for path in contents)
    )
    assert await listed(blobs) == sorted(f"{path}x" for path in contents)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", ".a", "A", "a b", "a\\b", "a\x00b",
     "a%2e", "ä", "a\n", "-a", "_a", ".uploads/x", "a/.b"],
)  # fmt: skip
async def test_paths_of_another_form_are_refused(blobs, path):
    for call in (
        blobs.put(path, pieces(b"x")), blobs.head(path), blobs.delete(path), blobs.move(path, "a"),
        blobs.move("a", path), get(blobs, path),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="not a path of a blob"):
            await call


async def test_a_large_object_takes_little_memory(blobs):
    """200 MiB go through; the process grows by less than a third of that, both ways."""
    process, block = psutil.Process(), os.urandom(MIB)
    before = process.memory_info().rss
    most = 0

    def measure() -> None:
        nonlocal most
        most = max(most, process.memory_info().rss - before)

    async def large() -> AsyncIterator[bytes]:
        for n in range(200):
            measure()
            yield n.to_bytes(4, "big") + block[4:]

    assert await blobs.put("large", large()) == 200 * MIB
    digest, expected = hashlib.sha256(), hashlib.sha256()
    async for piece in blobs.read("large"):
        measure()
        digest.update(piece)
    for n in range(200):
        expected.update(n.to_bytes(4, "big") + block[4:])
    assert digest.digest() == expected.digest()
    assert most < 64 * MIB
    await blobs.delete("large")


# --- a local directory ---


async def test_an_object_is_on_disk_before_it_is_acknowledged(tmp_path):
    """The file before it gets its name, then every directory up to the root: seen from outside."""
    program = """
        import asyncio, sys
        from pathlib import Path
        from sojourn_server.blobs.local import LocalBlobs

        async def pieces():
            yield b"content"

        async def main():
            blobs = LocalBlobs(Path(sys.argv[1]))
            await blobs.put("a/b/object", pieces())
            print("acknowledged", flush=True)
            await blobs.move("a/b/object", "c/object")

        asyncio.run(main())
    """
    calls = trace(textwrap.dedent(program), str(tmp_path / "blobs"))
    put, _, move = calls.partition("acknowledged")
    assert [line.split("(")[0] for line in put.splitlines() if "fsync" in line or "rename" in line] == [
        "fsync", "rename", "fsync", "fsync", "fsync",
    ]  # fmt: skip
    assert ".uploads" in put.split("fsync(")[1]
    synced = [line.partition("<")[2].partition(">")[0] for line in put.splitlines() if "fsync" in line]
    assert [path.removeprefix(str(tmp_path)) for path in synced[1:]] == ["/blobs/a/b", "/blobs/a", "/blobs"]
    moved = [line.partition("<")[2].partition(">")[0] for line in move.splitlines() if "fsync" in line]
    assert [path.removeprefix(str(tmp_path)) for path in moved] == ["/blobs/c", "/blobs"]


def trace(program: str, *arguments: str) -> str:
    """The file system calls of a Python program that matter here."""
    try:
        run = subprocess.run(
            ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,write", "-o", "/dev/stdout",
             sys.executable, "-c", program, *arguments],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("strace is not installed")
    lines = [line.partition(" ")[2].strip() for line in run.stdout.splitlines()]
    telling = [line for line in lines if line.startswith(("fsync", "fdatasync", "rename")) or "acknowledged" in line]
    return "\n".join(telling)


async def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path):
    """But not what another process is writing at the moment."""
    root = tmp_path / "blobs"
    program = """
        import asyncio, sys
        from pathlib import Path
        from sojourn_server.blobs.local import LocalBlobs

        async def endless():
            while True:
                yield b"x" * 1_000_000
                print("written", flush=True)
                await asyncio.sleep(0.01)

        asyncio.run(LocalBlobs(Path(sys.argv[1])).put("a", endless()))
    """

    def begin() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program), str(root)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline() == "written\n"
        return process

    killed, living = begin(), begin()
    try:
        killed.kill()
        killed.wait()
        assert len(leftovers_in(root)) == 2
        store = LocalBlobs(root)
        assert len(leftovers_in(root)) == 1
        assert await listed(store) == []
        await put(store, "a", b"x")
        assert await listed(store) == ["a"]
        store.close()
    finally:
        living.kill()
        living.wait()
    again = LocalBlobs(root)
    assert leftovers_in(root) == []
    again.close()
    assert list((root / UPLOADS).iterdir()) == []


def leftovers_in(root: Path) -> list[Path]:
    return [path for path in (root / UPLOADS).rglob("*") if path.is_file() and path.suffix != ".lock"]


async def test_many_processes_may_start_at_once(tmp_path):
    stores = await asyncio.gather(*(asyncio.to_thread(LocalBlobs, tmp_path) for _ in range(20)))
    await asyncio.gather(*(put(store, f"a/{n}", b"x") for n, store in enumerate(stores)))
    assert len(await listed(stores[0])) == 20
    for store in stores:
        store.close()


async def test_files_that_are_no_objects_are_not_listed(tmp_path):
    store = LocalBlobs(tmp_path)
    await put(store, "a/b", b"x")
    (tmp_path / "a" / ".DS_Store").write_text("x")
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "Read Me").write_text("x")
    assert await listed(store) == ["a/b"]
    store.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
async def test_a_disk_without_room(tmp_path, monkeypatch):
    store = LocalBlobs(tmp_path)
    # The only file that is always full.
    monkeypatch.setattr(store._uploads, "begin", lambda: Full("/dev/full"))
    with pytest.raises(BlobsUnavailableError, match="it has no room left"):
        await store.put("a", pieces(b"x" * 100_000))
    store.close()


class Full(type(Path())):  # type: ignore[misc]
    """A file that may be opened and not be written to."""

    def open(self, mode: str = "r", *args: object, **kwargs: object) -> object:
        return super().open("wb")

    def unlink(self, missing_ok: bool = False) -> None:
        """It stays."""


# --- an object store that is away ---


async def test_a_server_that_is_down_is_told_within_seconds(s3):
    store = open_blobs("s3://blobs/x", **s3.options | {"endpoint": "http://127.0.0.1:1"})
    for call in (
        store.put("a", pieces(b"x")), store.put("a", pieces(*[b"x" * MIB] * 20)), store.head("a"), get(store, "a"),
        store.delete("a"), store.move("a", "b"), listed(store),
    ):  # fmt: skip
        begun = monotonic()
        with pytest.raises(BlobsUnavailableError, match="it cannot be reached"):
            await call
        assert monotonic() - begun < 5


async def test_a_server_that_does_not_answer_is_told_after_a_while(s3, monkeypatch):
    from datetime import timedelta

    monkeypatch.setitem(blob_store.CLIENT, "read_timeout", timedelta(seconds=0.5))
    monkeypatch.setitem(blob_store.RETRY, "max_retries", 1)
    store = open_blobs(f"{s3.url}/paused", **s3.options)
    await put(store, "a", b"x")
    s3.pause()
    try:
        for call in (store.head("a"), get(store, "a"), store.put("b", pieces(b"x"))):
            begun = monotonic()
            with pytest.raises(BlobsUnavailableError, match="it took too long"):
                await call
            assert monotonic() - begun < 5
    finally:
        s3.resume()
    await wait_until(lambda: store.head("a"), description="it answers again")


async def test_a_server_that_was_killed_has_what_it_acknowledged():
    async with ObjectStore() as server:
        store = open_blobs(server.url, **server.options)
        large = os.urandom(9 * MIB)
        await put(store, "small", b"x")
        await put(store, "large", large)
        server.kill()
        with pytest.raises(BlobsUnavailableError):
            await store.head("small")
        await server.start()

        async def back() -> bool:
            try:
                return await get(store, "large") == large
            except BlobsUnavailableError:
                return False

        await wait_until(back, timeout=30, description="what was put is there")
        assert await get(store, "small") == b"x"


async def test_a_bucket_that_is_not_there(s3):
    store = open_blobs("s3://no-such-bucket/x", **s3.options)
    with pytest.raises((BlobsUnavailableError, BlobMissingError)):
        await get(store, "a")


async def test_errors_name_no_internals(s3):
    wrong = {"endpoint": "http://127.0.0.1:1", "secret_access_key": "verysecret"}
    store = open_blobs("s3://blobs/x", **s3.options | wrong)
    with pytest.raises(BlobsUnavailableError) as raised:
        await store.head("a")
    assert str(raised.value) == "the blob store does not answer: it cannot be reached"


@pytest.mark.parametrize("url", ["", "blobs", "/blobs", "file://host/x", "file:relative", "s3://", "http://host/x"])
def test_other_urls_are_refused(url):
    with pytest.raises(ValueError, match="blobs URL: expected"):
        open_blobs(url)


def test_a_directory_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="file"):
        open_blobs(f"file://{tmp_path}/file/blobs")


async def test_a_directory_that_others_remove_all_the_time_is_no_error(tmp_path):
    store = open_blobs(tmp_path.as_uri())

    async def come_and_go(number: int) -> None:
        for turn in range(60):
            name = f"a/b/{turn % 2}/{number}"
            await put(store, name, b"x")
            await store.delete(name)

    await asyncio.gather(*map(come_and_go, range(12)))
    assert await listed(store) == []
    store.close()
