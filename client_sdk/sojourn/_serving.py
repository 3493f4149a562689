"""The server's program, for those who start one of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

COMMAND = (sys.executable, "-m", "sojourn_server")
"""Runs a server; it is told what to do by its environment."""


def environment(settings: Mapping[str, object], *, ready_file: Path) -> dict[str, str]:
    """The environment of a server that ends with its standard input and tells in `ready_file` where it serves.

    settings: by their names; the SOJOURN_* variables of this process do not reach the server.
    """
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
    variables |= {f"SOJOURN_{name.upper()}": _text(value) for name, value in settings.items()}
    return variables | {
        "SOJOURN_READY_FILE": str(ready_file),
        "SOJOURN_EXIT_ON_STDIN_CLOSE": "1",
        "PYTHONUNBUFFERED": "1",  # so that the log is whole, whatever becomes of the server
        "PYTHONSAFEPATH": "1",  # a module of the same name in the current directory must not be taken for a library
    }


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return str(value.total_seconds())
    return str(value)
