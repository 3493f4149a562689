"""A run: the nodes of a workflow that a session still lacks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..enums import SessionStatus, StepStatus
from ..errors import BlobsUnavailableError, InvalidRequestError
from . import screenshots
from .attempts import Attempts, Outcome
from .calling import Caller
from .context import QAContext, Shared
from .directory import ResultsDirectory
from .execution import execute
from .failures import is_end, text_of
from .logs import SessionLogger, Sink, file_handler
from .record import SCREENSHOT, NodeRecord, SessionRecord
from .recorder import Recorder
from .screenshots import Screenshot
from .steps import Steps
from .values import Values
from .workflow import Node, Workflow

if TYPE_CHECKING:
    from ..client import Client
    from ..session import SessionHandle
    from ..tracking import TrackedRequest

FAILURE = "failure"
"""Phase of the screenshots of nodes that failed."""

_GONE = "not part of the newest run"


class Run:
    """One run of a session's test. Made and used inside the block of the request that it is tracked as.

    record: what the session holds; it is kept up to date.
    left: the nodes to run, and the steps to call again.
    """

    def __init__(
        self,
        client: Client,
        session: SessionHandle,
        request: TrackedRequest,
        workflow: Workflow,
        record: SessionRecord,
        directory: ResultsDirectory,
        *,
        left: Collection[str],
    ) -> None:
        self.client = client
        self.session = session
        self.record = record
        self.loop = asyncio.get_running_loop()
        self._request = request
        self._workflow = workflow
        self._directory = directory
        self._left = set(left)
        self._ended: set[str] = set()
        self._running: list[str] = []
        self._sink = Sink()
        self._file = file_handler(directory.log)
        outputs = {name: value for name, value in record.all_outputs().items() if name not in self._left}
        self._shared = Shared(
            workflow.name,
            session.id,
            record.run + 1,
            results_dir=directory.path,
            inputs=record.inputs,
            outputs=Values("output", outputs),
            test_results=Values("result", record.results),
            screenshots=record.screenshots,
            log=SessionLogger(session.id, "", (self._sink, self._file)),
            hands=self,
        )
        self._context = QAContext(workflow.name, _shared=self._shared)
        self._recorder = Recorder(
            session,
            record,
            self._sink,
            self._context.log,
            results=self._shared.test_results,
            outputs=self._shared.outputs,
        )
        self._caller = Caller(workflow.threads)
        self._attempts = Attempts(self._caller, self._shared.run_number)
        recalled = set(record.executed_nodes) - self._left
        self.steps = Steps(workflow, self._attempts, self._keep, recalled=recalled, outputs=self._shared.outputs)

    async def execute(self) -> None:
        """Run what is left, and end the session. Raises SojournError when it cannot be recorded."""
        async with self._writing_lines():
            await self._begin()
            if self._left:
                await self._run_nodes()
            await self._end()

    async def take_screenshot(self, source: object) -> bytes:
        """Take a screenshot; in the thread of plain functions, where their browser is."""
        return await screenshots.take_in_loop(source, self._caller.in_thread)

    async def keep_screenshot(self, node: str, phase: str, name: str | None, data: bytes) -> Screenshot:
        """Attach a screenshot to the session, and write it to the run's directory."""
        content_type, suffix = screenshots.kind_of(data)
        name = name or f"{node or self._workflow.name}-{phase or 'screenshot'}{suffix}"
        labels = {SCREENSHOT: "true", "node": node, "run": str(self._shared.run_number)}
        artifact = await self.session.put_artifact(name, data, content_type=content_type, phase=phase, labels=labels)
        taken = screenshots.from_artifact(artifact)
        file = await asyncio.to_thread(self._directory.keep_screenshot, phase, name, artifact.version, suffix, data)
        taken.path = str(file)
        self._shared.screenshots.append(taken)
        return taken

    async def set_result(self, name: str, value: Any) -> None:
        """Record a result now."""
        await self._recorder.set_result(name, value)

    @asynccontextmanager
    async def _writing_lines(self) -> AsyncIterator[None]:
        """Lines of the log are written while the block runs."""
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._recorder.write_lines())
                try:
                    yield
                finally:
                    writer.cancel()
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        finally:
            self._caller.close()
            self._file.close()

    async def _begin(self) -> None:
        record, shared = self.record, self._shared
        planned = {node.name: list(node.after) for node in self._workflow.order()}
        if record.workflow and record.workflow != planned:
            self._context.log.warning("the workflow is another one than in run %d", record.run)
        record.run, record.run_id, record.workflow = shared.run_number, self._context.run_id, planned
        record.browser_session, record.results_dir = shared.browser_session, str(self._directory.path)
        left = [name for name in planned if name in self._left]
        self._context.log("run %d of %s begins: %s", record.run, self._workflow.name, ", ".join(left) or "nothing left")
        await self._recorder.begin()

    async def _run_nodes(self) -> None:
        order = self._workflow.order()
        passed = {node.name for node in order} - self._left
        async with AsyncExitStack() as stack:
            problem = await self._set_up(stack)
            if not problem:
                limit = self._workflow.max_concurrent
                return await execute(order, passed, self._run_node, self._skip, max_concurrent=limit)
        for node in order:
            if node.name in self._left:
                await self._skip(node, problem)
        return None

    async def _set_up(self, stack: AsyncExitStack) -> str:
        """Set up what the workflow needs; what went wrong."""
        for function in self._workflow.setups:
            name = f"setup.{getattr(function, '__name__', 'setup')}"
            began, context = time.perf_counter(), self._context.for_node(name)
            try:
                made = self._caller.setup(function, context)
                await made.__aenter__()
            except BaseException as error:
                if is_end(error):
                    raise
                await self._keep(name, self._attempts.failed(began, error))
                return f"{name} failed"
            stack.push_async_callback(_tear_down, made, context.log)
        return ""

    async def _run_node(self, node: Node) -> bool:
        context = self._context.for_node(node.name)
        self._running.append(node.name)
        context.log.debug("begins")
        await self._tell()
        try:
            outcome = await self._attempts.make(node, context)
        finally:
            self._running.remove(node.name)
        kept = await self._keep(node.name, outcome)
        await self._tell()
        return kept.status is StepStatus.PASSED

    async def _skip(self, node: Node, reason: str) -> None:
        await self._keep(node.name, self._attempts.skipped(reason))

    async def _keep(self, name: str, outcome: Outcome) -> NodeRecord:
        """Record an outcome; as it was recorded."""
        node, log = outcome.node, self._context.for_node(name).log
        if node.status is StepStatus.FAILED:
            if outcome.photo is not None:
                await self._keep_photo(name, outcome.photo, node, log)
            log.error("failed: %s\n%s", node.error, node.output["traceback"])
        elif node.status is StepStatus.SKIPPED:
            log.warning("skipped: %s", node.error)
        else:
            log("passed in %.2f s", node.duration.total_seconds() if node.duration else 0.0)
        self._ended.add(name)
        node = await self._recorder.ended(name, node)
        if node.status is StepStatus.PASSED and node.output is not None:
            self._shared.outputs[name] = node.output
        else:
            self._shared.outputs.pop(name, None)
        return node

    async def _keep_photo(self, name: str, photo: bytes, node: NodeRecord, log: SessionLogger) -> None:
        try:
            taken = await self.keep_screenshot(name, FAILURE, None, photo)
            node.output["screenshot"] = taken.reference()
        except (InvalidRequestError, BlobsUnavailableError, OSError) as problem:
            log.warning("the failure's screenshot is lost: %s", text_of(problem))

    async def _tell(self) -> None:
        """Show how far the run is."""
        nodes = self._workflow.nodes
        done = sum(name in self._ended or name not in self._left for name in nodes)
        await self._request.progress(done / len(nodes), ", ".join(self._running))

    async def _end(self) -> None:
        # What failed before and was not run again is no failure of the test as it is now.
        for name in [*self.record.failed_nodes, *self.record.skipped_nodes]:
            gone = name not in self._ended and name not in self._workflow.nodes
            if gone and self.record.nodes[name].error != _GONE:
                await self._recorder.ended(name, self._attempts.skipped(_GONE).node)
        passed, failed = self.record.executed_nodes, self.record.failed_nodes
        self._context.log("run %d ends: %d nodes passed, %d failed", self.record.run, len(passed), len(failed))
        await self._recorder.flush()
        if failed:
            error = f"{len(failed)} of {len(self.record.nodes)} nodes failed: {', '.join(failed)}"
            await self.session.complete(status=SessionStatus.FAILED, error=error[:1000])
        else:
            await self.session.complete()


async def _tear_down(made: AbstractAsyncContextManager[Any], log: SessionLogger) -> None:
    """Leave a setup's block. What that raises is logged: the nodes have their outcomes."""
    try:
        await made.__aexit__(None, None, None)
    except Exception as error:
        log.error("teardown failed: %s", text_of(error), exc_info=error)
