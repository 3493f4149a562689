"""Steps that a test's function calls."""

from __future__ import annotations

import functools
import inspect
from typing import Any, cast

from .context import QAContext
from .steps import Steps
from .workflow import F, check_name


def inline(function: F, name: str | None) -> F:
    """The function, recorded as a node of whichever run calls it. Raises WorkflowError."""
    node = name or function.__name__
    check_name(node, "step")

    @functools.wraps(function)
    async def step(*arguments: Any, **named: Any) -> Any:
        found = _run_of(arguments, named)
        if found is None:
            return await function(*arguments, **named)
        context, steps = found
        return await steps.call(context, node, lambda inner: function(*_with(inner, arguments), **_named(inner, named)))

    @functools.wraps(function)
    def plain(*arguments: Any, **named: Any) -> Any:
        found = _run_of(arguments, named)
        if found is None:
            return function(*arguments, **named)
        context, steps = found
        return steps.call_plain(context, node, lambda inner: function(*_with(inner, arguments), **_named(inner, named)))

    return cast(F, step if inspect.iscoroutinefunction(function) else plain)


def _run_of(arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[QAContext, Steps] | None:
    for each in (*arguments, *named.values()):
        if isinstance(each, QAContext) and each._shared.hands is not None:
            return each, each._shared.hands.steps
    return None


def _with(context: QAContext, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with the step's own context."""
    return tuple(context if isinstance(each, QAContext) else each for each in arguments)


def _named(context: QAContext, named: dict[str, Any]) -> dict[str, Any]:
    return {name: context if isinstance(each, QAContext) else each for name, each in named.items()}
