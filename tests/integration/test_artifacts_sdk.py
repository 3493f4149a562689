"""Artifacts through the SDK: whatever bytes come from, whatever breaks on the way."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

import sojourn as sdk
from sojourn import _uploading as sending
from sojourn_server.domain.paths import artifact_path
from tests.support.line import Line
from tests.support.server import ServerUnderTest

MIB = 1 << 20
MOST = 300 * MIB


@pytest.fixture(scope="module")
def blobs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("blobs")


@pytest.fixture(scope="module")
def server(blobs):
    process = ServerUnderTest(blobs=blobs.as_uri(), max_artifact_bytes=MOST)
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture
async def client(server):
    async with sdk.Client(server.target, writer="me") as client:
        yield client


@pytest.fixture
async def line(server):
    async with Line(server.target) as line:
        yield line


@pytest.fixture
async def session(client, sid):
    return await client.create_session(sid)


@pytest.fixture
def small(monkeypatch):
    """What is otherwise done for large artifacts is done for small ones."""
    monkeypatch.setattr(sending, "RESUMABLE", MIB)
    monkeypatch.setattr(sending, "SEGMENT", 2 * MIB)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def versions(session):
    return [artifact.version async for artifact in session.artifacts()]


class Once:
    """Calls `act` when so many bytes are done, the first time."""

    def __init__(self, at: int, act):
        self.at, self.act, self.acted = at, act, False

    def __call__(self, done: int, total: int | None) -> None:
        if done >= self.at and not self.acted:
            self.acted = True
            self.act()


class TestData:
    async def test_all_that_is_known_of_it(self, session):
        artifact = await session.put_artifact("home.png", b"abc", phase="before", labels={"browser": "firefox"})
        assert artifact.model_dump(exclude={"create_time"}) == {
            "session_id": session.id, "name": "home.png", "version": 1, "content_type": "image/png", "size_bytes": 3,
            "sha256": sha256(b"abc"), "phase": "before", "labels": {"browser": "firefox"}, "uri": "", "revision": 2,
        }  # fmt: skip
        assert [each async for each in session.artifacts()] == [artifact]
        (event,) = [event async for event in session.events(kinds="artifact_attached")]
        assert (event.writer, event.commit_time) == ("me", artifact.create_time)
        assert sdk.Artifact.model_validate(artifact.model_dump(mode="json")) == artifact

    @pytest.mark.parametrize("size", [0, 2 * MIB, 5 * MIB + 1])
    @pytest.mark.parametrize("kind", ["bytes", "bytearray", "memoryview", "path", "list", "generator", "async"])
    async def test_whatever_it_is_made_of(self, session, small, tmp_path, kind, size):
        data = os.urandom(size)
        pieces = [data[at : at + 300_000] for at in range(0, size, 300_000)]
        path = tmp_path / "file.txt"
        path.write_bytes(data)

        async def each():
            for piece in pieces:
                yield piece

        made_of = {
            "bytes": data, "bytearray": bytearray(data), "memoryview": memoryview(data), "path": path, "list": pieces,
            "generator": (piece for piece in pieces), "async": each(),
        }  # fmt: skip
        told = []
        artifact = await session.put_artifact("a", made_of[kind], progress=lambda *done: told.append(done))
        assert (artifact.size_bytes, artifact.sha256) == (size, sha256(data))
        assert artifact.content_type == ("text/plain" if kind == "path" else "application/octet-stream")
        assert told == sorted(told, key=lambda done: done[0])
        assert told[-1:] == ([(size, size)] if size else [])
        assert await session.get_artifact("a") == data

    @pytest.mark.parametrize("data", ["text", 7, None, [b"a", "b"]])
    async def test_what_are_no_bytes(self, session, data):
        with pytest.raises(sdk.InvalidFieldError, match="data: expected bytes"):
            await session.put_artifact("a", data)
        assert await versions(session) == []

    async def test_files_that_cannot_be_read(self, session, tmp_path):
        for path in (tmp_path / "none", tmp_path):
            with pytest.raises(OSError):
                await session.put_artifact("a", path)

    async def test_an_iterable_that_fails(self, session, small):
        def pieces():
            yield bytes(5 * MIB)
            raise KeyError("no more")

        with pytest.raises(KeyError):
            await session.put_artifact("a", pieces())
        assert await versions(session) == []

    async def test_a_file_that_changes_meanwhile(self, session, small, tmp_path):
        path = tmp_path / "file"
        path.write_bytes(os.urandom(4 * MIB))
        with pytest.raises(sdk.ArtifactCorruptError) as caught:
            await session.put_artifact("a", path, progress=Once(MIB, lambda: os.truncate(path, 3 * MIB)))
        assert caught.value.name == "a"
        assert await versions(session) == []

    async def test_too_large(self, session):
        with pytest.raises(sdk.TooLargeError) as caught:
            await session.put_artifact("a", bytes(MOST + 1))
        assert caught.value.limit == MOST

    async def test_a_reference_stands_for_it_in_values(self, session):
        shot = await session.put_artifact("home.png", b"abc")
        assert shot.reference() == {
            "$artifact": {
                "name": "home.png", "version": 1, "sha256": sha256(b"abc"), "content_type": "image/png",
                "size_bytes": 3,
            }
        }  # fmt: skip
        await session.add_message("tool", "See the picture.", parts=[shot.reference()])
        await session.set_result("picture", shot.reference())
        await session.refresh()
        found = session.info.results["picture"]["$artifact"]
        assert await session.get_artifact(found["name"], version=found["version"]) == b"abc"


class TestReading:
    async def test_versions_and_ranges(self, session):
        data = os.urandom(3 * MIB)
        await session.put_artifact("a", data)
        await session.put_artifact("a", b"new", phase="after")
        assert await session.get_artifact("a") == b"new"
        assert await session.get_artifact("a", version=1) == data
        reader = session.open_artifact("a", version=1, offset=5, length=2 * MIB)
        assert reader.artifact is None
        assert b"".join([piece async for piece in reader]) == data[5 : 5 + 2 * MIB]
        assert (reader.artifact.version, reader.artifact.size_bytes) == (1, 3 * MIB)
        assert [each.version async for each in session.artifacts(newest_only=True)] == [2]
        assert [each.version async for each in session.artifacts(phase="after", content_type="application/*")] == [2]
        assert [each.version async for each in session.artifacts(limit=1)] == [1]

    async def test_what_is_not_there(self, session, client, tmp_path):
        for read in (session.get_artifact("a"), session.download_artifact("a", tmp_path / "a", version=3)):
            with pytest.raises(sdk.ArtifactNotFoundError) as caught:
                await read
            assert (caught.value.session_id, caught.value.name) == (session.id, "a")
        with pytest.raises(sdk.SessionNotFoundError):
            await client.session("nobody").get_artifact("a")
        assert list(tmp_path.iterdir()) == []

    async def test_a_file(self, session, tmp_path):
        data, told = os.urandom(3 * MIB), []
        artifact = await session.put_artifact("../a", data)
        (tmp_path / "b").write_text("old")
        found = await session.download_artifact("../a", tmp_path / "b", progress=lambda *done: told.append(done))
        assert (found, (tmp_path / "b").read_bytes()) == (artifact, data)
        assert told[-1] == (3 * MIB, 3 * MIB)
        with pytest.raises(IsADirectoryError):
            await session.download_artifact("../a", tmp_path)
        assert [each.name for each in tmp_path.iterdir()] == ["b"]

    async def test_a_download_goes_on_where_it_was_broken_off(self, session, tmp_path):
        data = os.urandom(4 * MIB)
        await session.put_artifact("a", data)
        task: asyncio.Task[sdk.Artifact]
        task = asyncio.create_task(
            session.download_artifact("a", tmp_path / "a", progress=Once(MIB, lambda: task.cancel()))
        )
        with pytest.raises(asyncio.CancelledError):
            await task
        (part,) = tmp_path.iterdir()
        assert 0 < part.stat().st_size < len(data)
        told = []
        await session.download_artifact("a", tmp_path / "a", progress=lambda done, _: told.append(done))
        assert told[0] > MIB
        assert (tmp_path / "a").read_bytes() == data
        assert [each.name for each in tmp_path.iterdir()] == ["a"]

    async def test_damaged_bytes(self, session, blobs, tmp_path):
        data = os.urandom(2 * MIB)
        artifact = await session.put_artifact("a", data)
        (blobs / artifact_path("default", artifact.sha256)).write_bytes(data[:-1] + b"\0\0"[: 1 + (data[-1] == 0)])
        with pytest.raises(sdk.ArtifactCorruptError) as caught:
            await session.get_artifact("a")
        assert (caught.value.name, caught.value.expected) == ("a", artifact.sha256)
        with pytest.raises(sdk.ArtifactCorruptError):
            await session.download_artifact("a", tmp_path / "a")
        assert not (tmp_path / "a").exists()

    async def test_the_client_verifies_too(self, session, tmp_path):
        """What a download that was broken off left behind is looked at as well."""
        artifact = await session.put_artifact("a", b"abcdef")
        (tmp_path / f".{artifact.sha256[:16]}.part").write_bytes(b"xyz")
        with pytest.raises(sdk.ArtifactCorruptError):
            await session.download_artifact("a", tmp_path / "a")
        assert list(tmp_path.iterdir()) == []
        await session.download_artifact("a", tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == b"abcdef"


class TestBreaks:
    @pytest.mark.parametrize("kind", ["bytes", "path", "iterable"])
    async def test_the_connection_breaks_on_the_way_up(self, line, sid, small, tmp_path, kind):
        data = os.urandom(12 * MIB)
        path = tmp_path / "file"
        path.write_bytes(data)
        pieces = (data[at : at + MIB] for at in range(0, len(data), MIB))
        made_of = {"bytes": data, "path": path, "iterable": pieces}[kind]
        async with sdk.Client(line.target) as client:
            session = await client.create_session(sid)
            artifact = await session.put_artifact("a", made_of, progress=Once(7 * MIB, line.cut))
            assert line.connections > 1
            assert artifact.sha256 == sha256(data)
            assert await versions(session) == [1]
            assert await session.get_artifact("a") == data

    async def test_the_connection_breaks_on_the_way_down(self, line, sid, tmp_path):
        data = os.urandom(12 * MIB)
        async with sdk.Client(line.target) as client:
            session = await client.create_session(sid)
            await session.put_artifact("a", data)
            await session.download_artifact("a", tmp_path / "a", progress=Once(5 * MIB, line.cut))
            assert (tmp_path / "a").read_bytes() == data
            assert line.connections > 1

    async def test_the_answer_is_lost(self, line, sid):
        async with sdk.Client(line.target) as client:
            session = await client.create_session(sid)
            await session.put_artifact("a", bytes(MIB), progress=Once(MIB, line.cut))
            assert await versions(session) == [1]

    async def test_the_server_is_killed_on_the_way_up(self, small, tmp_path, sid):
        data = os.urandom(24 * MIB)
        async with ServerUnderTest(data_dir=tmp_path / "data") as server, sdk.Client(server.target) as client:
            session = await client.create_session(sid)
            far = asyncio.Event()

            async def restart() -> None:
                await far.wait()
                await server.kill()
                await server.start()

            async with asyncio.TaskGroup() as group:
                group.create_task(restart())
                put = group.create_task(session.put_artifact("a", data, progress=Once(10 * MIB, far.set)))
            assert put.result().sha256 == sha256(data)
            assert await versions(session) == [1]
            assert await session.get_artifact("a") == data


class TestFencing:
    async def test_in_the_block_of_a_request_it_carries_its_token(self, session):
        async with session.track("work") as request:
            await session.put_artifact("a", b"abc")
        with pytest.raises(sdk.FencingTokenRejectedError):
            await session.put_artifact("a", b"abc", fencing_token=request.fencing_token)
        assert await versions(session) == [1]


async def test_the_servers_memory_does_not_grow_with_the_artifact(server, session, tmp_path):
    await session.put_artifact("warm", bytes(8 * MIB))
    await session.get_artifact("warm")
    path, most = tmp_path / "large", 0
    with path.open("wb") as file:
        for _ in range(96):
            file.write(os.urandom(MIB))
    before = server.rss()

    def look(*_: object) -> None:
        nonlocal most
        most = max(most, server.rss() - before)

    await session.put_artifact("large", path, progress=look)
    look()
    artifact = await session.download_artifact("large", tmp_path / "again", progress=look)
    look()
    assert artifact.size_bytes == 96 * MIB
    assert most < 64 * MIB


async def test_an_upload_leaves_nothing_but_two_notes(session, blobs, small):
    def files() -> set[tuple[str, str]]:
        return {(folder, name) for folder, _, names in os.walk(blobs / "uploads") for name in names}

    before = files()
    await session.put_artifact("a", os.urandom(4 * MIB))
    assert sorted(name for _, name in files() - before) == ["done", "info"]
