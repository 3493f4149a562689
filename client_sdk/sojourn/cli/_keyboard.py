"""Single keys, read while something else is on the screen."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pressed(keys: str) -> Iterator[asyncio.Event]:
    """An event that is set when one of the keys is pressed, or the terminal is gone.

    Keys are not shown meanwhile. Where standard input is no terminal, or has no such mode, the event is never set.
    """
    event = asyncio.Event()
    try:
        import termios
        import tty
    except ImportError:  # Windows
        yield event
        return
    if not sys.stdin.isatty():
        yield event
        return
    terminal = sys.stdin.fileno()

    def read() -> None:
        typed = os.read(terminal, 1024)
        if not typed or set(typed) & set(keys.encode()):
            event.set()

    loop, before = asyncio.get_running_loop(), termios.tcgetattr(terminal)
    tty.setcbreak(terminal)  # Ctrl-C still interrupts
    loop.add_reader(terminal, read)
    try:
        yield event
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
