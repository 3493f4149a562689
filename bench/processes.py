"""Processes under measurement: started on their core, told apart by their CPU time, always ended."""

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped, unused-ignore]

from bench.connection import BenchError

# Where `-m bench...` finds this package.
_ROOT: Final = Path(__file__).parents[1]
SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
PINNING: Final = hasattr(os, "sched_setaffinity") and {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0)
_ALL_CORES: Final = os.sched_getaffinity(0) if PINNING else set[int]()


def pin_load() -> None:
    """Keep this process on the load core, where cores can be told apart."""
    if PINNING:
        os.sched_setaffinity(0, {LOAD_CORE})


@contextlib.contextmanager
def _children_on(core: int) -> Iterator[None]:
    # A child inherits its parent's cores; pinning it afterwards would miss threads it started already.
    if not PINNING:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True)
class CpuUse:
    """CPU seconds used in a window, by role."""

    server: float
    engine: float
    load: float
    seconds: float

    @property
    def load_share(self) -> float:
        """Share of its core the load generator used; near 1 the figure is its limit, not the server's."""
        return self.load / self.seconds

    @property
    def server_share(self) -> float:
        """Share of a core the server used."""
        return self.server / self.seconds


class CpuMeter:
    """CPU time of a server, of its engine and of this process between `start` and `stop`."""

    def __init__(self, server: int | None = None, engine: int | None = None) -> None:
        self._server = psutil.Process(server) if server else None
        self._engine = psutil.Process(engine) if engine else None
        self._begin = (0.0, 0.0, 0.0, 0.0)

    def start(self) -> None:
        self._begin = self._read()

    def stop(self) -> CpuUse:
        now = self._read()
        server, engine, load, seconds = (after - before for after, before in zip(now, self._begin, strict=True))
        return CpuUse(server, engine, load, seconds)

    def _read(self) -> tuple[float, float, float, float]:
        return _cpu(self._server), _cpu(self._engine), time.process_time(), time.perf_counter()


def _cpu(process: psutil.Process | None) -> float:
    if process is None:
        return 0.0
    times = process.cpu_times()
    return float(times.user + times.system)


class Disturbance:
    """What other processes took of the machine while this one and its children measured."""

    def __init__(self) -> None:
        self._begin = self._read()

    def share(self) -> float:
        """Their share of all cores since the beginning, 0 to 1. Children count once they have ended."""
        busy, own, seconds = (after - before for after, before in zip(self._read(), self._begin, strict=True))
        return max(0.0, busy - own) / (seconds * (os.cpu_count() or 1))

    @staticmethod
    def _read() -> tuple[float, float, float]:
        times = psutil.cpu_times()
        # Interrupts are left out: the kernel charges our own loopback traffic to nobody.
        busy = sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "steal"))
        own = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return float(busy), own, time.monotonic()


class Server:
    """A server process on the server core that tells its port through a ready file and ends with its stdin."""

    def __init__(self, process: subprocess.Popen[bytes], target: str, log: Path) -> None:
        self._process = process
        self.target = target
        self.log = log
        self.pid = process.pid
        self.engine = _engine_of(process.pid)
        if self.engine is not None:
            _let_float(self.engine)

    def meter(self) -> CpuMeter:
        """A CPU meter for this server and its engine."""
        return CpuMeter(self.pid, self.engine)

    def rss(self) -> int:
        """Resident memory of the server process (not of its engine), bytes."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def log_tail(self) -> str:
        """The end of what the server logged, on lines of its own; empty when it logged nothing."""
        text = self.log.read_text(errors="replace").strip()
        return f"\nserver log: {text[-800:]}" if text else ""

    def engine_socket(self) -> str:
        """Path of the engine's unix socket."""
        if self.engine is None:
            raise BenchError("the server runs no embedded engine")
        for connection in psutil.Process(self.engine).net_connections(kind="unix"):
            if connection.laddr:
                return str(connection.laddr)
        raise BenchError("the embedded engine listens on no unix socket")

    def stop(self) -> None:
        """End the server: its stdin's end asks it to, a kill makes it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def start_server(arguments: Sequence[str], directory: Path) -> Server:
    """Start `python <arguments>` on the server core and wait until it serves, 30 s at most.

    `directory` takes its ready file and its log. Raises BenchError, with the log's end, when it does not come up.
    """
    place = Path(tempfile.mkdtemp(prefix="server-", dir=directory))
    ready, log = place / "ready.json", place / "log"
    env = os.environ | {"SOJOURN_READY_FILE": str(ready), "SOJOURN_EXIT_ON_STDIN_CLOSE": "1"}
    with _children_on(SERVER_CORE), log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=output, stderr=output, env=env, cwd=_ROOT
        )
    deadline = time.monotonic() + 30
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            tail = log.read_text(errors="replace")[-2000:]
            raise BenchError(f"{' '.join(arguments)} did not come up:\n{tail}")
        time.sleep(0.02)
    return Server(process, json.loads(ready.read_text())["target"], log)


def _engine_of(pid: int) -> int | None:
    for child in psutil.Process(pid).children(recursive=True):
        if "valkey" in child.name() or "redis" in child.name():
            return int(child.pid)
    return None


def _let_float(pid: int) -> None:
    # The engine would inherit the server's core; a deployment gives it whichever is free.
    if PINNING:
        for thread in psutil.Process(pid).threads():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread.id, _ALL_CORES)


def run_on_load_core(module: str, arguments: Sequence[str], timeout: float) -> dict[str, float]:
    """Run `python -m module arguments` on the load core; returns the JSON object it prints."""
    with _children_on(LOAD_CORE):
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments], capture_output=True, timeout=timeout, check=False, cwd=_ROOT
        )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise BenchError(f"{module} {arguments[0]} exited with {done.returncode}: {lines[-1]}")
    result: dict[str, float] = json.loads(done.stdout)
    return result
