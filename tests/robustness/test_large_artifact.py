"""A 2 GiB artifact goes up and comes down, and the server stays small."""

import hashlib
import os
import threading
from pathlib import Path
from time import monotonic

import pytest

import sojourn as sdk
from tests.support.object_store import ObjectStore
from tests.support.server import ServerUnderTest

pytestmark = [pytest.mark.robustness, pytest.mark.timeout(1800)]

MIB = 1 << 20
SIZE = 2 << 30
MOST_GROWTH = 64 * MIB


class Growth:
    """The most that the server's memory grew while this is open, in bytes; looked at every 10 ms."""

    def __init__(self, server: ServerUnderTest) -> None:
        self._server = server
        self._before = server.rss()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.most = 0

    def _look(self) -> None:
        while not self._over.wait(0.01):
            self.most = max(self.most, self._server.rss() - self._before)

    def __enter__(self) -> "Growth":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def write_file(path: Path) -> str:
    """A file that no compression makes smaller; its SHA-256."""
    digest, block = hashlib.sha256(), os.urandom(MIB)
    with path.open("wb") as file:
        for n in range(SIZE // MIB):
            piece = n.to_bytes(8, "big") + block[8:]
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()


@pytest.mark.parametrize("kind", ["local", "s3"])
async def test_two_gibibytes_up_and_down(kind, tmp_path):
    s3 = ObjectStore() if kind == "s3" else None
    environment = {}
    if s3:
        await s3.start()
        environment = {f"AWS_{name.upper()}": value for name, value in s3.options.items()}
    blobs = s3.url if s3 else (tmp_path / "blobs").as_uri()
    digest = write_file(tmp_path / "file")
    try:
        async with (
            ServerUnderTest(blobs=blobs, environment=environment) as server,
            sdk.Client(server.target) as client,
        ):
            session = await client.create_session()
            await session.put_artifact("warm", bytes(8 * MIB))
            await session.get_artifact("warm")
            for size, step in ((SIZE, "up"), (SIZE, "down")):
                began = monotonic()
                with Growth(server) as growth:
                    if step == "up":
                        artifact = await session.put_artifact("large", tmp_path / "file")
                    else:
                        artifact = await session.download_artifact("large", tmp_path / "again")
                rate = size / MIB / (monotonic() - began)
                print(f"{kind} {step}: {rate:.0f} MiB/s, the server grew by {growth.most / MIB:.1f} MiB at most")
                assert (artifact.size_bytes, artifact.sha256) == (SIZE, digest)
                assert growth.most < MOST_GROWTH
    finally:
        if s3:
            s3.close()
