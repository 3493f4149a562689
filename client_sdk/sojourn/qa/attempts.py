"""Attempts at a node: what came of them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ..enums import StepStatus
from . import screenshots
from .calling import Caller
from .context import QAContext
from .failures import is_end, text_of, trace_of
from .record import NodeRecord
from .values import as_json
from .workflow import Node

_PHOTO_SECONDS = 10.0
"""How long a browser may take for the picture of a failure."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a node."""

    node: NodeRecord
    error: BaseException | None = None
    """What it raised."""
    photo: bytes | None = None
    """What its page looked like then."""


class Attempts:
    """Runs the nodes of one run.

    run: its number.
    """

    def __init__(self, caller: Caller, run: int) -> None:
        self._caller = caller
        self._run = run
        self._failures: list[BaseException] = []

    async def make(self, node: Node, context: QAContext) -> Outcome:
        """Call a node as often as it may be called. Raises only what ends the run."""
        for attempt in range(node.retries + 1):
            began = time.perf_counter()
            try:
                result = await self._caller.call(node.function, context, node.timeout)
                return self.passed(node.name, began, result)
            except BaseException as error:
                if is_end(error):
                    raise
                if attempt == node.retries:
                    return self.failed(began, error, await self._photograph(context))
                context.log.warning("attempt %d failed: %s", attempt + 1, text_of(error))
        raise AssertionError("unreachable")

    def passed(self, name: str, began: float, result: Any) -> Outcome:
        """The outcome of a node that returned. Raises OutputError for what cannot be kept."""
        output = as_json(result, f"what node {name!r} returned", name)
        return Outcome(NodeRecord(StepStatus.PASSED, self._run, _since(began), output))

    def failed(self, began: float, error: BaseException, photo: bytes | None = None) -> Outcome:
        """The outcome of a node that raised. One that ends with the error of a step it called has not failed again."""
        if any(error is known for known in self._failures):
            reason = "ended by a step that failed"
            return Outcome(NodeRecord(StepStatus.SKIPPED, self._run, _since(began), error=reason), error)
        self._failures.append(error)
        output = {"error_type": type(error).__name__, "traceback": trace_of(error)}
        return Outcome(NodeRecord(StepStatus.FAILED, self._run, _since(began), output, text_of(error)), error, photo)

    def skipped(self, reason: str) -> Outcome:
        """The outcome of a node that is not run."""
        return Outcome(NodeRecord(StepStatus.SKIPPED, self._run, error=reason))

    async def _photograph(self, context: QAContext) -> bytes | None:
        """What the page looks like; None when there is none, or when it cannot be told."""
        if context.page is None:
            return None
        try:
            async with asyncio.timeout(_PHOTO_SECONDS):
                return await screenshots.take_in_loop(context.page, self._caller.in_thread)
        except Exception as error:
            context.log.warning("no screenshot of the failure: %s", text_of(error))
            return None


def photographed(context: QAContext) -> bytes | None:
    """What the page of a plain function looks like, in whose thread this is."""
    try:
        taken = screenshots.take(context.page) if context.page is not None else None
    except Exception as error:
        context.log.warning("no screenshot of the failure: %s", text_of(error))
        return None
    return taken if isinstance(taken, bytes) else None


def _since(began: float) -> timedelta:
    return timedelta(seconds=time.perf_counter() - began)
