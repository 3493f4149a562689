"""What a run writes to its session: each outcome with everything that came with it, in one write."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from ..enums import StepStatus
from ..errors import InvalidRequestError, StateLimitExceededError
from ..session import SessionHandle
from ..write import Write
from .errors import OutputError
from .failures import text_of
from .logs import Sink
from .record import OUTPUT, NodeRecord, SessionRecord
from .values import Values, as_json


class Recorder:
    """Writes to a session, one write at a time, and keeps `record` as the session is.

    results, outputs: what the test works on; what is new in them goes with the next outcome.
    """

    def __init__(
        self,
        session: SessionHandle,
        record: SessionRecord,
        sink: Sink,
        log: logging.Logger,
        *,
        results: Values,
        outputs: Values,
    ) -> None:
        self._session = session
        self.record = record
        self._sink = sink
        self._log = log
        self._results = results
        self._outputs = outputs
        self._turn = asyncio.Lock()

    async def begin(self) -> None:
        """Write what the record says of the run that begins."""
        record = self.record
        async with self._write() as write:
            write.set_state(
                {
                    "run": record.run,
                    "run_id": record.run_id,
                    "browser_session": record.browser_session,
                    "results_dir": record.results_dir,
                    "workflow": record.workflow,
                    "inputs": record.inputs,
                }
            )

    async def ended(self, name: str, node: NodeRecord) -> NodeRecord:
        """Record an outcome, with the results, outputs and lines so far; the outcome as it was recorded.

        A node whose outcome cannot be kept, because it is no JSON or too large, has failed.
        """
        try:
            await self._end(name, node)
        except (OutputError, InvalidRequestError, StateLimitExceededError) as error:
            all_new = not isinstance(error, OutputError)  # the server does not say which it was
            self._results.revert(self.record.results, all_new=all_new)
            self._outputs.revert(self.record.all_outputs(), all_new=all_new)
            self._log.error("%s left what cannot be kept: %s", name, error)
            node = NodeRecord(StepStatus.FAILED, node.run, node.duration, None, text_of(error))
            await self._end(name, node)
        return node

    async def set_result(self, name: str, value: Any) -> None:
        """Record a result now. Raises OutputError."""
        self._results[name] = value
        await self.flush()

    async def flush(self) -> None:
        """Write results, outputs and lines that were not written yet. Raises OutputError."""
        while True:
            async with self._write() as write:
                kept = self._add_values(write, "")
            self._keep(kept)
            if not self._sink.waiting.is_set():
                break

    async def write_lines(self) -> None:
        """Write log lines as they come, for ever."""
        while True:
            await self._sink.waiting.wait()
            async with self._write():
                pass

    async def _end(self, name: str, node: NodeRecord) -> None:
        async with self._write() as write:
            kept = self._add_values(write, name, node)
            write.record_step(
                name,
                status=node.status,
                run=node.run,
                duration=node.duration or timedelta(0),
                output=node.output,
                error=node.error or None,
            )
        self._keep(kept)
        self.record.ended(name, node)

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[Write]:
        """A write that begins with the lines so far."""
        async with self._turn:
            lines = self._sink.take()
            try:
                async with self._session.write() as write:
                    for line in lines:
                        write.log(line.text, level=line.level)
                    yield write
            except BaseException:
                self._sink.put_back(lines)
                raise

    def _add_values(
        self, write: Write, node: str, outcome: NodeRecord | None = None
    ) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
        """Add what is new; it, and the names of outputs that are gone."""
        record = self.record
        returned = record.all_outputs()
        if outcome is not None and outcome.status is StepStatus.PASSED and outcome.output is not None:
            returned[node] = outcome.output
        results = _new(self._results, record.results, "result", node)
        outputs = _new(self._outputs, returned, "output", node)
        gone = [name for name in record.outputs if name not in self._outputs]
        for name, value in results.items():
            write.set_result(name, value)
        if outputs:
            write.set_state({OUTPUT + name: value for name, value in outputs.items()})
        if gone:
            write.delete_state(*(OUTPUT + name for name in gone))
        return results, outputs, gone

    def _keep(self, kept: tuple[dict[str, Any], dict[str, Any], list[str]]) -> None:
        results, outputs, gone = kept
        self.record.results |= results
        self.record.outputs |= outputs
        for name in gone:
            self.record.outputs.pop(name, None)


def _new(values: Mapping[str, Any], recorded: Mapping[str, Any], what: str, node: str) -> dict[str, Any]:
    found = {}
    for name, value in list(values.items()):
        kept = as_json(value, f"{what} {name!r}", node)
        if name not in recorded or recorded[name] != kept:
            found[name] = kept
    return found
