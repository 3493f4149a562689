"""The command line: `sojourn --help`."""

from ._main import main as main

__all__ = ["main"]
