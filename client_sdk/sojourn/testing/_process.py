"""The server as a child process."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from .._serving import COMMAND, environment

_STOP_GRACE = 10.0
_LOG_TAIL = 8_000


class ServerStartError(RuntimeError):
    """The server did not start; the message ends with its log."""


class ServerProcess:
    """A server run by this Python, ephemeral and on a free port unless the settings say otherwise.

    It ends by itself when this process dies: it watches its standard input, which is then closed.
    """

    def __init__(self, **settings: object) -> None:
        chosen: dict[str, object] = {"listen": "127.0.0.1:0", "grace_seconds": 1}
        if "data_dir" not in settings and "redis" not in settings:
            chosen["ephemeral"] = True
        self._settings = {**chosen, **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    def start(self) -> None:
        """Start the process; `poll` tells when it serves."""
        self._folder = Path(tempfile.mkdtemp(prefix="sojourn-test-"))
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(self._settings, ready_file=self._folder / "ready.json"),
            )

    @property
    def pid(self) -> int:
        """Process id of the server."""
        assert self._process is not None
        return self._process.pid

    def poll(self) -> str | None:
        """The target once the server serves; None before. Raises ServerStartError when it has ended instead."""
        assert self._process is not None
        assert self._folder is not None
        try:
            target: str = json.loads((self._folder / "ready.json").read_text())["target"]
        except FileNotFoundError:
            if self._process.poll() is not None:
                raise self.start_error(f"the server ended with status {self._process.returncode}") from None
            return None
        return target

    def wait_ready(self, timeout: float) -> str:
        """Block until the server serves; its target. Raises ServerStartError."""
        deadline = time.monotonic() + timeout
        while (target := self.poll()) is None:
            if time.monotonic() >= deadline:
                raise self.start_error(f"the server did not start within {timeout:g} s")
            time.sleep(0.02)
        return target

    def start_error(self, message: str) -> ServerStartError:
        """An error that ends with the server's log."""
        return ServerStartError(f"{message}; its log:\n{self.log()[-_LOG_TAIL:]}")

    def log(self) -> str:
        """What the server has written so far."""
        assert self._folder is not None
        return (self._folder / "log").read_text(errors="replace")

    def stop(self) -> None:
        """End the server: asked first, killed when it takes too long. Safe to repeat."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(_STOP_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
