"""Starts our programs as processes: forked from a Python that has imported them already, where that is the same.

    server = start("-m", "sojourn_server", of=SERVER, environment=os.environ, stdin=PIPE, stdout=log, stderr=log)
    server.send_signal(signal.SIGTERM)

Importing takes most of a short program's time, and tests start hundreds. A fork differs from a fresh start in what is
read of the environment while modules are imported: where anything there is other than for us, but for what is known to
be read later, the program is started afresh. With FRESH_PROCESSES=1 all are.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import IO, Protocol

import sojourn.cli

SERVER = ("sojourn_server.main", "sojourn_server.settings", "sojourn.cli", "aiosqlite")
PROGRAM = (
    *("sojourn.session", "sojourn.pool", "sojourn.client"),
    *(f"sojourn.cli.{module.name}" for module in pkgutil.iter_modules(sojourn.cli.__path__)),
)

READ_LATER = ("SOJOURN_", "PYTEST_", "AWS_")
"""How names of variables begin that nobody reads at an import."""
_FRESH = not hasattr(os, "pidfd_open") or bool(os.environ.get("FRESH_PROCESSES"))


class Process(Protocol):
    """What tests need of `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...

    @property
    def stdin(self) -> IO[bytes] | None: ...

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None: ...

    def send_signal(self, sig: int, /) -> None: ...


def start(
    *arguments: str, of: tuple[str, ...], environment: Mapping[str, str], stdin: int, stdout: int, stderr: int
) -> Process:
    """Starts a program.

    arguments: as of Python: `-m` and a module, or a script; then the program's own.
    of: the modules to have imported, best a constant of this module.
    stdin, stdout, stderr: files. stdin may be `subprocess.DEVNULL` or `subprocess.PIPE`, whose other end is then the
            process' `stdin`.
    """
    if forks(environment):
        return fork(*arguments, of=of, environment=environment, stdin=stdin, stdout=stdout, stderr=stderr)
    return subprocess.Popen(
        [sys.executable, *arguments], stdin=stdin, stdout=stdout, stderr=stderr, env=dict(environment)
    )


def forks(environment: Mapping[str, str]) -> bool:
    """Whether a program with this environment may be forked."""
    return not _FRESH and _read_at_once(environment) == _environment()


def fork(
    *arguments: str, of: tuple[str, ...], environment: Mapping[str, str], stdin: int, stdout: int, stderr: int
) -> Forked:
    """`start` without asking whether it may be forked."""
    return Forked(_nursery(of), arguments, environment, stdin, stdout, stderr)


class Forked:
    """A process that a nursery forked."""

    def __init__(
        self, nursery: socket.socket, arguments: tuple[str, ...], environment: Mapping[str, str],
        stdin: int, stdout: int, stderr: int,
    ) -> None:  # fmt: skip
        self.stdin: IO[bytes] | None = None
        self.returncode: int | None = None
        packet = {"arguments": arguments, "environment": dict(environment), "directory": os.getcwd()}
        self._told, teller = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ExitStack() as theirs:
            theirs.enter_context(teller)
            if stdin == subprocess.PIPE:
                stdin, writing = os.pipe()
                theirs.callback(os.close, stdin)
                self.stdin = open(writing, "wb")  # noqa: SIM115
            elif stdin == subprocess.DEVNULL:
                stdin = os.open(os.devnull, os.O_RDWR)
                theirs.callback(os.close, stdin)
            socket.send_fds(nursery, [json.dumps(packet).encode()], [stdin, stdout, stderr, teller.fileno()])
        self.pid = self._number()
        self._told.setblocking(False)

    def fileno(self) -> int:
        """A file that can be read from once the process has ended."""
        return self._told.fileno()

    def poll(self) -> int | None:
        """The exit code, minus the signal that ended it; None while it runs."""
        if self.returncode is None:
            with contextlib.suppress(BlockingIOError):
                self.returncode = self._number()
                self._told.close()
        return self.returncode

    def send_signal(self, sig: int, /) -> None:
        """Nothing when it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def _number(self) -> int:
        packet = self._told.recv(32)
        assert packet, "the nursery has ended, and nobody else knows of the process"
        return int(packet)


@cache
def _environment() -> dict[str, str]:
    """What decides about imports, when the first nursery begins."""
    return _read_at_once(os.environ)


def _read_at_once(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(READ_LATER)}


@cache
def _nursery(modules: tuple[str, ...]) -> socket.socket:
    """Where to ask for processes that have these modules; see `nursery`. It ends with us, however we end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    script = Path(__file__).with_name("nursery.py")
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", script, str(theirs.fileno()), *modules],
            stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=_environment(),
        )  # fmt: skip

    def end() -> None:
        ours.close()
        process.wait(10)

    atexit.register(end)
    return ours
