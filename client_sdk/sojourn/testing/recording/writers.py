"""The process that writes a spool, told from others with its number."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Writer:
    """A process of this machine."""

    pid: int
    begun: str
    """When it began, in units of the system; empty where the system does not tell."""

    @classmethod
    def this_process(cls) -> Writer:
        return cls(os.getpid(), _about(os.getpid())[1])

    @classmethod
    def of(cls, header: Mapping[str, Any]) -> Writer:
        """The one that a spool's header names."""
        return cls(int(header.get("pid", 0)), str(header.get("begun", "")))

    def model(self) -> dict[str, object]:
        """What the header says of it."""
        return {"pid": self.pid, "begun": self.begun, "host": socket.gethostname()}

    def lives(self) -> bool:
        """Whether it still runs; one that is dead and not yet waited for does not."""
        if self.pid <= 0:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass  # it is another user's
        state, begun = _about(self.pid)
        return state not in ("Z", "X") and (not self.begun or not begun or begun == self.begun)


def _about(pid: int) -> tuple[str, str]:
    """State and begin of a process as Linux tells them; empty elsewhere."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return fields[0].decode(), fields[19].decode()
    except (OSError, IndexError):
        return "", ""
