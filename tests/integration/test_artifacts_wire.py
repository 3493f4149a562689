"""Artifacts as any client sees them, with the bytes in a local directory. `test_artifacts_s3` has some of it on S3."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest

from sojourn.v1 import artifact_service_pb2 as pb
from sojourn.v1 import session_service_pb2 as spb
from sojourn_server.blobs.opening import open_blobs
from sojourn_server.blobs.store import ObjectBlobs
from sojourn_server.domain.paths import artifact_path
from tests.support import artifact_wire as wire
from tests.support.artifact_wire import get, listed, put, read, sha256
from tests.support.request_wire import begin
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until
from tests.support.wire import METADATA, create, failure, write

MIB = 1 << 20
MOST = 12 * MIB
NAMES = ["../../etc/passwd", "/etc/passwd", "a/b", "..", ".", "C:\\x", "%2e%2e", "ü" * 128, "x" * 256, " ", "a\u2028b"]
FACTS = METADATA | {
    "ARTIFACT_CORRUPT": "name expected actual",
    "ARTIFACT_NOT_FOUND": "session_id name version",
    "UPLOAD_NOT_FOUND": "session_id upload_id",
    "PAGE_TOKEN_INVALID": "field",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> tuple[str, dict[str, str]]:
    """A blob store: its URL, and what a server's environment needs to use it."""
    return f"file://{tmp_path_factory.mktemp('blobs')}", {}


@pytest.fixture(scope="module")
def server(place) -> Iterator[ServerUnderTest]:
    url, environment = place
    process = ServerUnderTest(blobs=url, environment=environment, max_artifact_bytes=MOST)
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture
def blobs(place) -> Iterator[ObjectBlobs]:
    """The bytes behind the server's back."""
    url, environment = place
    store = open_blobs(url, **{name.removeprefix("AWS_").lower(): value for name, value in environment.items()})
    yield store
    store.close()


@pytest.fixture
async def artifacts(server) -> AsyncIterator[wire.ArtifactServiceStub]:
    async with wire.connect(server.target) as stub:
        yield stub


@pytest.fixture
async def session(stub, sid) -> str:
    await create(stub, sid)
    return sid


async def stored(blobs: ObjectBlobs, prefix: str) -> list[str]:
    return [blob.path async for blob in blobs.list(prefix)]


def check(found, code, reason, **facts):
    assert (found.code, found.reason) == (code, reason), found
    assert set(FACTS[reason].split()) <= set(found.metadata)
    assert facts.items() <= found.metadata.items(), found.metadata


class TestPutting:
    async def test_what_was_put_comes_back_and_is_told(self, artifacts, stub, session):
        data = os.urandom(3 * MIB + 7)
        response = await put(
            artifacts, session, "home.png", data, size_bytes=len(data), sha256=sha256(data), content_type="image/png",
            phase="before", labels={"browser": "firefox"}, writer="qa", end=False,
        )  # fmt: skip
        artifact = response.artifact
        assert not response.deduplicated
        assert (artifact.session_id, artifact.name, artifact.version, artifact.revision) == (session, "home.png", 1, 2)
        assert (artifact.content_type, artifact.phase, artifact.labels) == (
            "image/png",
            "before",
            {"browser": "firefox"},
        )
        assert (artifact.size_bytes, artifact.sha256, artifact.uri) == (len(data), sha256(data), "")
        assert await get(artifacts, session, "home.png") == (artifact, data)
        page = await artifacts.ListArtifacts(pb.ListArtifactsRequest(session_id=session))
        assert list(page.artifacts) == [artifact]
        (event,) = (await stub.ListEvents(spb.ListEventsRequest(session_id=session, page_size=9))).events[1:]
        assert event.writer == "qa"
        assert event.commit_time == artifact.create_time
        attached = event.changes[0].artifact_attached
        assert (attached.name, attached.version, attached.sha256) == ("home.png", 1, sha256(data))
        assert (await stub.GetSession(spb.GetSessionRequest(session_id=session))).session.counters.artifacts == 1

    async def test_each_is_the_next_version_of_its_name(self, artifacts, session):
        for data in (b"one", b"two", b""):
            await put(artifacts, session, "a", data)
        await put(artifacts, session, "b", b"one")
        assert await listed(artifacts, session) == [("a", 1), ("a", 2), ("a", 3), ("b", 1)]
        assert await listed(artifacts, session, newest_only=True) == [("a", 3), ("b", 1)]
        assert (await get(artifacts, session, "a"))[1] == b""
        assert (await get(artifacts, session, "a", version=2))[1] == b"two"

    async def test_fifty_at_once_get_fifty_versions(self, artifacts, session):
        answers = await asyncio.gather(*(put(artifacts, session, "a", b"%d" % n) for n in range(50)))
        assert sorted(answer.artifact.version for answer in answers) == list(range(1, 51))
        one = answers[20].artifact
        assert (await get(artifacts, session, "a", version=one.version)) == (one, b"20")

    async def test_equal_bytes_are_stored_once(self, artifacts, session, blobs):
        data = os.urandom(1000)
        first = await put(artifacts, session, "a", data)
        again = await put(artifacts, session, "b", data)
        assert (first.deduplicated, again.deduplicated) == (False, True)
        path = artifact_path("default", sha256(data))
        # Others that begin alike are in the same directory.
        assert [one for one in await stored(blobs, path.rpartition("/")[0]) if one.startswith(path)] == [path]
        assert artifact_path("other", sha256(data)) != path

    @pytest.mark.parametrize("name", NAMES)
    async def test_no_name_is_a_path(self, artifacts, session, blobs, name):
        await put(artifacts, session, name, name.encode())
        assert (await get(artifacts, session, name))[1] == name.encode()
        for path in await stored(blobs, ""):
            assert path.startswith(("artifacts/", "uploads/", "incoming/", "sessions/")), path

    @pytest.mark.parametrize(
        ("header", "field"),
        [
            ({"name": ""}, "header.name"),
            ({"name": "a\0b"}, "header.name"),
            ({"content_type": "a\nb"}, "header.content_type"),
            ({"size_bytes": -1}, "header.size_bytes"),
            ({"sha256": "AB" * 32}, "header.sha256"),
            ({"sha256": "../x"}, "header.sha256"),
            ({"offset": 1}, "header.offset"),
            ({"more": True}, "header.more"),
            ({"fencing_token": 0}, "header.fencing_token"),
            ({"labels": {"": "x"}}, "header.labels key"),
        ],
    )
    async def test_a_wrong_header_names_its_field(self, artifacts, session, header, field):
        call = put(artifacts, session, **{"name": "a", "data": b"x"} | header)
        check(await failure(call), "INVALID_ARGUMENT", "INVALID_FIELD", field=field)

    async def test_too_large(self, artifacts, session):
        check(await failure(put(artifacts, session, "x" * 257, b"")), "INVALID_ARGUMENT", "TOO_LARGE")
        call = put(artifacts, session, "a", b"x", labels={str(n): "" for n in range(65)})
        check(await failure(call), "INVALID_ARGUMENT", "TOO_LARGE", field="header.labels")
        call = put(artifacts, session, "a", b"", size_bytes=MOST + 1)
        check(await failure(call), "INVALID_ARGUMENT", "TOO_LARGE", field="header.size_bytes", limit=str(MOST))
        assert await listed(artifacts, session) == []

    async def test_too_large_and_not_announced(self, artifacts, session, blobs):
        found = await failure(put(artifacts, session, "a", bytes(MOST + 1)))
        # A sender that does not listen may lose why its stream was ended.
        assert found.reason == "TOO_LARGE" or found.code in ("INTERNAL", "UNAVAILABLE"), found
        assert await listed(artifacts, session) == []
        assert await stored(blobs, artifact_path("default", sha256(bytes(MOST + 1)))) == []

    async def test_other_bytes_than_announced(self, artifacts, session):
        for header in ({"size_bytes": 4}, {"size_bytes": 2}, {"size_bytes": 3, "sha256": sha256(b"xyz")}):
            found = await failure(put(artifacts, session, "a", b"abc", **header))
            check(found, "INVALID_ARGUMENT", "ARTIFACT_CORRUPT", name="a")
        assert await listed(artifacts, session) == []

    async def test_a_stream_must_say_when_it_ends(self, artifacts, session):
        check(
            await failure(put(artifacts, session, "a", b"abc", end=False)), "INVALID_ARGUMENT", "INVALID_FIELD",
            field="end",
        )  # fmt: skip
        announced = await put(artifacts, session, "a", b"abc", end=False, sha256=sha256(b"abc"))
        assert announced.artifact.version == 1

    async def test_streams_that_are_none(self, artifacts, session):
        header = pb.PutArtifactRequest(header=pb.ArtifactHeader(session_id=session, name="a"))
        for stream in ([], [pb.PutArtifactRequest(data=b"x")], [header, header], [header, pb.PutArtifactRequest()]):
            check(await failure(artifacts.PutArtifact(iter(stream))), "INVALID_ARGUMENT", "INVALID_FIELD")
        assert await listed(artifacts, session) == []

    async def test_a_cancelled_stream_leaves_nothing(self, artifacts, session, blobs):
        call = artifacts.PutArtifact()
        header = pb.ArtifactHeader(session_id=session, name="a", size_bytes=8 * MIB)
        await call.write(pb.PutArtifactRequest(header=header))
        assert dict(await call.initial_metadata())["sojourn-accepted"] == "1"
        for _ in range(4):
            await call.write(pb.PutArtifactRequest(data=os.urandom(MIB)))
        call.cancel()

        async def gone() -> bool:
            return await stored(blobs, "incoming") == []

        await wait_until(gone, description="the bytes that came are removed")
        assert await listed(artifacts, session) == []

    async def test_who_must_not_is_told_before_sending(self, artifacts, stub, session):
        async def refused(sid: str, **header) -> str:
            call = artifacts.PutArtifact()
            await call.write(
                pb.PutArtifactRequest(header=pb.ArtifactHeader(session_id=sid, name="a", size_bytes=3, **header))
            )
            assert "sojourn-accepted" not in dict(await call.initial_metadata())
            return (await failure(call)).reason

        assert await refused("nobody") == "SESSION_NOT_FOUND"
        await stub.CompleteSession(spb.CompleteSessionRequest(session_id=session))
        assert await refused(session) == "SESSION_ENDED"
        check(
            await failure(put(artifacts, session, "a", b"abc", idempotency_key="k")),
            "FAILED_PRECONDITION",
            "SESSION_ENDED",
        )
        await stub.DeleteSession(spb.DeleteSessionRequest(session_id=session))
        assert await refused(session) == "SESSION_DELETED"

    async def test_only_with_the_token_of_an_admitted_request(self, artifacts, stub, session):
        found = await failure(put(artifacts, session, "a", b"abc", fencing_token=7))
        check(found, "FAILED_PRECONDITION", "FENCING_TOKEN_REJECTED")
        begun = await stub.BeginRequest(begin(session, "r"))
        put_one = await put(artifacts, session, "a", b"abc", fencing_token=begun.request.fencing_token)
        assert put_one.artifact.version == 1


class TestRetries:
    async def test_the_same_key_has_the_first_result(self, artifacts, stub, session):
        first = await put(artifacts, session, "a", b"abc", idempotency_key="k", labels={"x": "1", "y": "2"})
        await put(artifacts, session, "a", b"other")
        again = await put(artifacts, session, "a", b"abc", idempotency_key="k", labels={"y": "2", "x": "1"})
        assert again.artifact == first.artifact
        await stub.CompleteSession(spb.CompleteSessionRequest(session_id=session))
        assert (await put(artifacts, session, "a", b"abc", idempotency_key="k", labels={"y": "2", "x": "1"})) == again
        assert await listed(artifacts, session) == [("a", 1), ("a", 2)]

    async def test_another_artifact_with_the_key_is_refused(self, artifacts, stub, session):
        await put(artifacts, session, "a", b"abc", idempotency_key="k")
        for name, data in (("b", b"abc"), ("a", b"xyz")):
            found = await failure(put(artifacts, session, name, data, idempotency_key="k"))
            check(found, "INVALID_ARGUMENT", "IDEMPOTENCY_KEY_REUSED")
        await stub.WriteSession(write(session, key="w"))
        found = await failure(put(artifacts, session, "a", b"abc", idempotency_key="w"))
        check(found, "INVALID_ARGUMENT", "IDEMPOTENCY_KEY_REUSED")


class TestGetting:
    async def test_ranges(self, artifacts, session):
        data = os.urandom(2 * MIB + 5)
        await put(artifacts, session, "a", data)
        for offset, length in ((0, None), (1, None), (0, 0), (5, 0), (MIB - 1, 2), (7, 10 * MIB), (len(data), None)):
            _, found = await get(artifacts, session, "a", offset=offset, length=length)
            assert found == data[offset:][: len(data) if length is None else length], (offset, length)

    async def test_what_is_not_there(self, artifacts, session):
        await put(artifacts, session, "a", b"abc")
        for request in ({"name": "b"}, {"name": "a", "version": 2}, {"name": "A"}):
            check(await failure(read(artifacts, session, **request)), "NOT_FOUND", "ARTIFACT_NOT_FOUND")
        for request in ({"offset": 4}, {"offset": -1}, {"length": -1}, {"version": -1}, {"name": ""}):
            found = await failure(read(artifacts, session, **{"name": "a"} | request))
            check(found, "INVALID_ARGUMENT", "INVALID_FIELD", field=next(iter(request)))
        check(await failure(read(artifacts, "nobody", "a")), "NOT_FOUND", "SESSION_NOT_FOUND")

    async def test_bytes_that_are_elsewhere_are_told_of(self, artifacts, stub, session):
        for uri, digest in (("https://x/y", sha256(b"")), ("", "../../../x"), ("", "")):
            change = {"name": "a", "uri": uri, "sha256": digest}
            await stub.WriteSession(
                spb.WriteSessionRequest(session_id=session, changes=[{"artifact_attached": change}])
            )
            found = await failure(read(artifacts, session, "a"))
            check(found, "NOT_FOUND", "ARTIFACT_NOT_FOUND", uri=uri)
        check(await failure(artifacts.ListArtifacts(pb.ListArtifactsRequest())), "INVALID_ARGUMENT", "INVALID_FIELD")

    async def test_a_writers_version_is_gone_on_from(self, artifacts, stub, session):
        change = {"name": "a", "version": 41, "uri": "https://x/y"}
        await stub.WriteSession(spb.WriteSessionRequest(session_id=session, changes=[{"artifact_attached": change}]))
        assert (await put(artifacts, session, "a", b"abc")).artifact.version == 42

    async def test_damaged_bytes_are_noticed(self, artifacts, session, blobs):
        data = os.urandom(2 * MIB)
        await put(artifacts, session, "a", data)

        async def broken(*pieces: bytes) -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

        path = artifact_path("default", sha256(data))
        await blobs.put(path, broken(data[:MIB], bytes(MIB)))
        check(await failure(read(artifacts, session, "a")), "DATA_LOSS", "ARTIFACT_CORRUPT", expected=sha256(data))
        assert (await get(artifacts, session, "a", length=MIB))[1] == data[:MIB]
        await blobs.put(path, broken(data[:MIB]))
        check(await failure(read(artifacts, session, "a", offset=5)), "DATA_LOSS", "ARTIFACT_CORRUPT")
        await blobs.delete(path)
        check(await failure(read(artifacts, session, "a")), "DATA_LOSS", "ARTIFACT_CORRUPT")
        await put(artifacts, session, "b", data)
        assert (await get(artifacts, session, "a"))[1] == data

    async def test_a_deleted_sessions_artifacts_are_gone(self, artifacts, stub, session):
        await put(artifacts, session, "a", b"abc")
        await stub.DeleteSession(spb.DeleteSessionRequest(session_id=session))
        check(await failure(read(artifacts, session, "a")), "NOT_FOUND", "SESSION_DELETED")
        page = artifacts.ListArtifacts(pb.ListArtifactsRequest(session_id=session))
        check(await failure(page), "NOT_FOUND", "SESSION_DELETED")
        await create(stub, session)
        assert await listed(artifacts, session) == []

    async def test_pages_and_their_tokens(self, artifacts, session):
        for n in range(5):
            await put(artifacts, session, f"a{n}", b"abc", content_type="image/png" if n % 2 else "text/plain")
        found, token = [], ""
        while True:
            request = pb.ListArtifactsRequest(session_id=session, page_size=2, page_token=token)
            page = await artifacts.ListArtifacts(request)
            found += [one.name for one in page.artifacts]
            if not page.next_page_token:
                break
            token = page.next_page_token
        assert found == ["a0", "a1", "a2", "a3", "a4"]
        assert await listed(artifacts, session, content_type="image/*") == [("a1", 1), ("a3", 1)]
        assert await listed(artifacts, session, name="a2") == [("a2", 1)]
        other = pb.ListArtifactsRequest(session_id=session, phase="x", page_token=token)
        check(await failure(artifacts.ListArtifacts(other)), "INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


class TestUploads:
    async def begin(self, artifacts, sid) -> str:
        return (await artifacts.BeginUpload(pb.BeginUploadRequest(session_id=sid))).upload_id

    async def stored(self, artifacts, sid, upload_id) -> int:
        request = pb.GetUploadRequest(session_id=sid, upload_id=upload_id)
        return (await artifacts.GetUpload(request)).stored_bytes

    async def test_in_several_streams(self, artifacts, session, blobs):
        data = os.urandom(10 * MIB + 3)
        upload_id = await self.begin(artifacts, session)
        assert await self.stored(artifacts, session, upload_id) == 0
        for start, end in ((0, 1), (1, 9 * MIB)):
            sent = await put(
                artifacts, session, "a", data[start:end], upload_id=upload_id, offset=start, more=True, end=False
            )
            assert (sent.HasField("artifact"), sent.stored_bytes) == (False, end)
            assert await self.stored(artifacts, session, upload_id) == end
        last = {"upload_id": upload_id, "offset": 9 * MIB, "size_bytes": len(data), "sha256": sha256(data)}
        done = await put(artifacts, session, "a", data[9 * MIB :], **last)
        assert (await get(artifacts, session, "a")) == (done.artifact, data)
        # The answer was lost, for all we know: asking again tells.
        assert await self.stored(artifacts, session, upload_id) == len(data)
        again = await put(artifacts, session, "a", b"", **last | {"offset": len(data)})
        assert again.artifact == done.artifact
        assert [path.rpartition("/")[2] for path in sorted(await stored(blobs, "uploads")) if upload_id in path] == [
            "done", "info",
        ]  # fmt: skip

    async def test_what_came_before_the_stream_broke_is_kept(self, artifacts, session):
        data = os.urandom(6 * MIB)
        upload_id = await self.begin(artifacts, session)
        header = pb.ArtifactHeader(session_id=session, name="a", upload_id=upload_id, size_bytes=len(data))
        call = artifacts.PutArtifact()
        for message in wire.messages(header, data[: 5 * MIB], end=False):
            await call.write(message)

        async def some() -> int:
            return await self.stored(artifacts, session, upload_id)

        await wait_until(some, description="a part is stored")
        call.cancel()

        async def settled() -> bool:
            kept = await some()
            response = put(artifacts, session, "a", data[kept:], upload_id=upload_id, offset=kept, size_bytes=len(data))
            try:
                return bool((await response).artifact.version)
            except grpc.aio.AioRpcError as error:
                if "offset" not in (error.details() or ""):
                    raise
                return False  # the rest of the broken stream came meanwhile

        await wait_until(settled, description="the upload goes on where it is")
        assert (await get(artifacts, session, "a"))[1] == data

    async def test_the_whole_is_checked(self, artifacts, session):
        upload_id = await self.begin(artifacts, session)
        await put(artifacts, session, "a", b"abc", upload_id=upload_id, more=True)
        rest = {"upload_id": upload_id, "offset": 3}
        for header in ({"size_bytes": 7}, {"size_bytes": 4}, {"sha256": sha256(b"x")}):
            found = await failure(put(artifacts, session, "a", b"", **rest | header))
            check(found, "INVALID_ARGUMENT", "ARTIFACT_CORRUPT")
        found = await failure(put(artifacts, session, "a", b"x", upload_id=upload_id, offset=1, size_bytes=4))
        check(found, "INVALID_ARGUMENT", "INVALID_FIELD", field="header.offset")
        assert await listed(artifacts, session) == []
        done = await put(artifacts, session, "a", b"def", **rest, sha256=sha256(b"abcdef"))
        assert done.artifact.size_bytes == 6

    async def test_too_large_in_pieces(self, artifacts, session):
        upload_id = await self.begin(artifacts, session)
        await put(artifacts, session, "a", bytes(MOST), upload_id=upload_id, more=True)
        found = await failure(put(artifacts, session, "a", b"x", upload_id=upload_id, offset=MOST, more=True))
        check(found, "INVALID_ARGUMENT", "TOO_LARGE")

    async def test_who_has_none(self, artifacts, stub, session, sid):
        upload_id = await self.begin(artifacts, session)
        other = f"{sid}-other"
        await create(stub, other)
        for wrong in ("", "../x", "a" * 32, "info"):
            request = artifacts.GetUpload(pb.GetUploadRequest(session_id=session, upload_id=wrong))
            found = await failure(request)
            assert found.reason == ("UPLOAD_NOT_FOUND" if wrong else "INVALID_FIELD")
        for call in (
            artifacts.GetUpload(pb.GetUploadRequest(session_id=other, upload_id=upload_id)),
            put(artifacts, other, "a", b"x", upload_id=upload_id),
        ):
            check(await failure(call), "NOT_FOUND", "UPLOAD_NOT_FOUND", upload_id=upload_id)
        check(await failure(self.begin(artifacts, "nobody")), "NOT_FOUND", "SESSION_NOT_FOUND")
