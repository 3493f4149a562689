"""Why the embedded engine cannot be started. The messages are for the person at the terminal: no traceback is needed.

EngineError
├── DataDirError             the data directory cannot be used
│   └── DataDirLockedError   another process uses it; `holder` says which
├── EngineBinaryError        no usable server binary
└── EngineStartError         the engine did not start; `log_tail` holds its last words
"""

from __future__ import annotations

from dataclasses import dataclass


class EngineError(Exception):
    """The embedded engine cannot be started."""


class DataDirError(EngineError):
    """The data directory cannot be created, opened or locked."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a data directory, as it wrote itself into the lock file."""

    pid: int
    host: str
    started: str
    """When it took the lock: ISO 8601, UTC."""
    listen: str | None = None
    """The address it serves, if it serves one."""

    def __str__(self) -> str:
        serving = f", serving {self.listen}" if self.listen else ""
        return f"process {self.pid} on {self.host}{serving}, since {self.started}"


class DataDirLockedError(DataDirError):
    """Another live process holds the data directory."""

    def __init__(self, path: str, holder: Holder | None) -> None:
        who = str(holder) if holder else "another process"
        super().__init__(f"the data directory {path} is in use by {who}: stop that one, or choose another directory")
        self.path = path
        self.holder = holder
        """None when the other process had not yet written its name."""


class EngineBinaryError(EngineError):
    """No usable Valkey or Redis server binary."""


class EngineStartError(EngineError):
    """The engine did not come up."""

    def __init__(self, message: str, *, log_tail: str = "") -> None:
        super().__init__(f"{message}\nThe engine's log ends with:\n{log_tail}" if log_tail else message)
        self.log_tail = log_tail
