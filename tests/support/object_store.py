"""A real S3 server for tests: SeaweedFS from its wheel."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from .engine_server import HOST, free_ports
from .waiting import wait_until

BUCKET = "blobs"


class ObjectStore:
    """One SeaweedFS server with all its parts, on loopback, with a bucket."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="sojourn-s3-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._ports = free_ports(8)

    @property
    def endpoint(self) -> str:
        """Where it speaks S3."""
        return f"http://{HOST}:{self._ports[0]}"

    @property
    def url(self) -> str:
        """The blob store's URL; see `options`."""
        return f"s3://{BUCKET}"

    @property
    def options(self) -> dict[str, str]:
        """What a client needs besides."""
        return {
            "endpoint": self.endpoint, "access_key_id": "key", "secret_access_key": "secret", "region": "us-east-1",
        }  # fmt: skip

    async def start(self) -> None:
        """Starts it, the first time or again: same ports, same data."""
        self._process = self._begin()
        await wait_until(self._ready, timeout=60, description="the S3 server answers")

    def _begin(self) -> subprocess.Popen[bytes]:
        s3, s3_grpc, master, master_grpc, volume, volume_grpc, filer, filer_grpc = map(str, self._ports)
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(
                [
                    str(Path(sys.executable).parent / "weed"), "server", f"-dir={self._directory}", f"-ip={HOST}",
                    "-s3", f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}", "-s3.port.iceberg=0",
                    "-s3.port.lance=0",
                    f"-master.port={master}", f"-master.port.grpc={master_grpc}", "-master.telemetry=false",
                    "-master.volumeSizeLimitMB=1024", "-volume.max=50", f"-volume.port={volume}",
                    f"-volume.port.grpc={volume_grpc}", "-filer", f"-filer.port={filer}",
                    f"-filer.port.grpc={filer_grpc}",
                ],
                stdout=log, stderr=log, start_new_session=True, cwd=self._directory,
            )  # fmt: skip

    def kill(self) -> None:
        """SIGKILL; `start` brings it back."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """SIGSTOP: connections are accepted and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 10
        while not _stands_still(self._process.pid) and time.monotonic() < deadline:
            time.sleep(0.005)

    def resume(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def uploads(self) -> str:
        """The multipart uploads that were begun and neither ended nor given up, as the server lists them."""
        return _get(f"{self.endpoint}/{BUCKET}?uploads").decode()

    def close(self) -> None:
        """Ends it and removes its data."""
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._directory / "log").read_text()[-2000:]
        return await asyncio.to_thread(_has_bucket, f"{self.endpoint}/{BUCKET}")


def _has_bucket(url: str) -> bool:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code == 409  # it is there
    except OSError:
        return False
    return True


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        found: bytes = response.read()
        return found


def _stands_still(pid: int) -> bool:
    """Whether all threads of a process have stopped: they do so one after the other."""
    stats = Path("/proc", str(pid), "task").glob("*/stat")
    return all(stat.read_text().rpartition(")")[2].split()[0] in "TtZX" for stat in stats)
