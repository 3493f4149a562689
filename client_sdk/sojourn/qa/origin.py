"""Where a test was defined: a module that is loaded again defines its tests again, in the same places.

It may have another name then: what was started as `__main__` may be imported, too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

Origin = tuple[object, ...]


def of_function(function: Callable[..., Any]) -> Origin:
    """Where a function is."""
    code = getattr(function, "__code__", None)
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", repr(function))
    if code is None or _interactive(module):
        return module, name
    return code.co_filename, code.co_firstlineno, name


def of_caller(depth: int) -> Origin:
    """Where the running code was called from, `depth` calls up."""
    frame = sys._getframe(depth + 1)
    module = frame.f_globals.get("__name__", "")
    return (module,) if _interactive(module) else (frame.f_code.co_filename, frame.f_lineno)


def _interactive(module: str) -> bool:
    """Whether its code is typed, cell by cell: the same code is somewhere else each time."""
    return module == "__main__" and not hasattr(sys.modules.get("__main__"), "__file__")
