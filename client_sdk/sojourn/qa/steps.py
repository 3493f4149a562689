"""Steps that the function of a test calls, in a run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from .attempts import Attempts, Outcome, photographed
from .context import QAContext
from .errors import WorkflowError
from .record import NodeRecord
from .screenshots import is_running
from .workflow import Function, Node, Workflow

Keep = Callable[[str, Outcome], Awaitable[NodeRecord]]
"""Records an outcome; as it was recorded."""


class Steps:
    """The steps of one run.

    recalled: those that passed in an earlier run, which are not called.
    outputs: by name.
    """

    def __init__(
        self,
        workflow: Workflow,
        attempts: Attempts,
        keep: Keep,
        *,
        recalled: Collection[str],
        outputs: Mapping[str, Any],
    ) -> None:
        self._workflow = workflow
        self._attempts = attempts
        self._keep = keep
        self._recalled = recalled
        self._outputs = outputs
        self._loop = asyncio.get_running_loop()
        self._calls: dict[str, int] = {}

    async def call(self, context: QAContext, name: str, call: Function) -> Any:
        """What the step returns, now or in an earlier run. Raises what it raises."""
        name = self._next(name)
        if name in self._recalled:
            return self._outputs.get(name)
        return await self._end(name, await self._attempts.make(Node(name, call), context.for_node(name)))

    def call_plain(self, context: QAContext, name: str, call: Function) -> Any:
        """The same for a plain step, in the thread of the plain function that calls it."""
        if is_running(self._loop):
            raise WorkflowError(
                f"step {name!r} would stop the event loop", test=self._workflow.name, expected="an `async def` function"
            )
        name = self._next(name)
        if name in self._recalled:
            return self._outputs.get(name)
        inner, began = context.for_node(name), time.perf_counter()
        try:
            outcome = self._attempts.passed(name, began, call(inner))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            outcome = self._attempts.failed(began, error, photographed(inner))
        return asyncio.run_coroutine_threadsafe(self._end(name, outcome), self._loop).result()

    async def _end(self, name: str, outcome: Outcome) -> Any:
        node = await self._keep(name, outcome)
        if outcome.error is not None:
            raise outcome.error
        return node.output

    def _next(self, name: str) -> str:
        """The name of the step's next call."""
        number = self._calls[name] = self._calls.get(name, 0) + 1
        name = name if number == 1 else f"{name}-{number}"
        if name in self._workflow.nodes:
            raise WorkflowError(
                f"step {name!r} has the name of a node", test=self._workflow.name, expected="another name"
            )
        return name
