"""A Python that has imported our programs and forks one whenever it is asked to, which saves each start a second.

`python nursery.py FD MODULE...`: FD is a socket of packets, one for each program that `processes` asks for. A program
is a process of its own and finds what a Python that was just started finds: arguments, environment, directory, standard
streams and signals are those it is given. When the asking side is gone the nursery ends, and ends its programs.

Nothing but the modules is imported here, nothing is started and no thread made: what forks must be at rest.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Any, TextIO

PACKET = 1 << 20
_HELD_BACK = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Birth:
    """A program to become. As on Python's command line its arguments begin with `-m`, a module, or with a script."""

    arguments: list[str]
    environment: dict[str, str]
    directory: str
    streams: list[int]

    def become(self) -> None:
        """Turns this process into the program and runs it."""
        for number, stream in enumerate(self.streams):
            os.dup2(stream, number)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.chdir(self.directory)
        os.environ.clear()
        os.environ.update(self.environment)
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            made = _stream(number, getattr(sys, name))
            setattr(sys, name, made)
            setattr(sys, f"__{name}__", made)
        if self.arguments[0] == "-m":
            sys.argv = self.arguments[1:]
            sys.path.insert(0, self.directory)
            runpy.run_module(self.arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = self.arguments
            sys.path.insert(0, os.path.dirname(os.path.realpath(self.arguments[0])))
            runpy.run_path(self.arguments[0], run_name="__main__")


def births(control: socket.socket) -> Birth | None:
    """Forks at each packet. Returns in the programs alone, and with None once nobody can ask any more."""
    watched = select.poll()  # unlike others it is no file, which a program would have to close
    watched.register(control, select.POLLIN)
    programs: dict[int, tuple[int, int]] = {}  # by a file that becomes readable at the end: process id, whom to tell
    while True:
        for number, _ in watched.poll():
            if number in programs:
                watched.unregister(number)
                os.close(number)
                _tell_end(*programs.pop(number))
                continue
            packet, files, *_ = socket.recv_fds(control, PACKET, 4)
            if not packet:
                for process_id, _teller in programs.values():
                    os.kill(process_id, signal.SIGTERM)
                return None
            process_id = os.fork()
            if process_id == 0:
                control.close()
                return Birth(**json.loads(packet), streams=files[:3])
            for file in files[:3]:
                os.close(file)
            with contextlib.suppress(OSError):
                os.write(files[3], b"%d" % process_id)
            end = os.pidfd_open(process_id)
            programs[end] = (process_id, files[3])
            watched.register(end, select.POLLIN)


def _tell_end(process_id: int, teller: int) -> None:
    _, status = os.waitpid(process_id, 0)
    with contextlib.suppress(OSError):
        os.write(teller, b"%d" % os.waitstatus_to_exitcode(status))
    os.close(teller)


def _stream(number: int, standard: TextIO) -> TextIO:
    """A standard stream as Python makes it at its start."""
    assert isinstance(standard, io.TextIOWrapper)
    unbuffered = standard.write_through
    buffering = 0 if unbuffered and number else -1
    file: Any = open(number, "wb" if number else "rb", buffering=buffering, closefd=False)  # noqa: SIM115
    return io.TextIOWrapper(
        file, standard.encoding, standard.errors, newline="\n" if number else None,
        line_buffering=not unbuffered and (number == 2 or file.isatty()), write_through=unbuffered,
    )  # fmt: skip


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    for module in sys.argv[2:]:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # programs share these pages as long as nobody writes to them, as the collector does
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    birth = births(control)
    if birth is None:
        return
    # A program is told to end from its first moment on: what was held back since reaches it now.
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    birth.become()


if __name__ == "__main__":
    main()
