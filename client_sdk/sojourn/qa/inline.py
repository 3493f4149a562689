"""Steps that a test's function calls."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Protocol, cast

from .context import QAContext
from .workflow import F, Function


class InlineSteps(Protocol):
    """A run that records the steps its functions call."""

    async def step(self, context: QAContext, name: str, call: Function) -> Any: ...

    def plain_step(self, context: QAContext, name: str, call: Function) -> Any: ...


def inline(function: F, name: str | None) -> F:
    """The function, recorded as a node of whichever run calls it."""
    node = name or function.__name__

    @functools.wraps(function)
    async def step(*arguments: Any, **named: Any) -> Any:
        found = _run_of(arguments, named)
        if found is None:
            return await function(*arguments, **named)
        context, run = found
        return await run.step(context, node, lambda inner: function(*_with(inner, arguments), **_named(inner, named)))

    @functools.wraps(function)
    def plain(*arguments: Any, **named: Any) -> Any:
        found = _run_of(arguments, named)
        if found is None:
            return function(*arguments, **named)
        context, run = found
        return run.plain_step(context, node, lambda inner: function(*_with(inner, arguments), **_named(inner, named)))

    return cast(F, step if inspect.iscoroutinefunction(function) else plain)


def _run_of(arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[QAContext, InlineSteps] | None:
    for each in (*arguments, *named.values()):
        if isinstance(each, QAContext) and each._shared.hands is not None:
            return each, cast(InlineSteps, each._shared.hands)
    return None


def _with(context: QAContext, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with the step's own context."""
    return tuple(context if isinstance(each, QAContext) else each for each in arguments)


def _named(context: QAContext, named: dict[str, Any]) -> dict[str, Any]:
    return {name: context if isinstance(each, QAContext) else each for name, each in named.items()}
