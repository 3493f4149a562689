"""Errors as text."""

from __future__ import annotations

import asyncio
import traceback
from types import FrameType

from .logs import shortened

_CALLERS = ("sojourn.qa.", "concurrent.futures.", "asyncio.")
"""Modules that call what users wrote."""

_MOST_ERROR = 4_000
"""Characters; an error of a step has at most 16 KiB."""
_MOST_TRACEBACK = 32_000


def is_end(error: BaseException) -> bool:
    """Whether it ends the run, and is no failure of what was called."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)


def text_of(error: BaseException) -> str:
    """What the error says."""
    return shortened(": ".join(filter(None, (type(error).__name__, str(error)))), _MOST_ERROR)


def trace_of(error: BaseException) -> str:
    """The error's traceback, from what was called on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and _calls(trace.tb_frame):
        trace = trace.tb_next
    return shortened("".join(traceback.format_exception(type(error), error, trace)), _MOST_TRACEBACK)


def _calls(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith(_CALLERS)
