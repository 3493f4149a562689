"""A run: the nodes of a workflow that a session still lacks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..enums import SessionStatus, StepStatus
from ..errors import BlobsUnavailableError, InvalidRequestError
from . import attempts, screenshots
from .attempts import Caller
from .context import QAContext, Shared
from .directory import ResultsDirectory
from .errors import WorkflowError
from .execution import execute
from .logs import SessionLogger, Sink, file_handler
from .record import SCREENSHOT, NodeRecord, SessionRecord
from .recorder import Recorder
from .screenshots import Screenshot
from .values import Values, as_json
from .workflow import Function, Node, Workflow

if TYPE_CHECKING:
    from ..client import Client
    from ..session import SessionHandle
    from ..tracking import TrackedRequest

FAILURE = "failure"
"""Phase of the screenshots of nodes that failed."""

_PHOTO_SECONDS = 10.0
"""How long a browser may take for the picture of a failure."""


class Run:
    """One run of a session's test. Made and used inside the block of the request that it is tracked as."""

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
        self.loop = asyncio.get_running_loop()
        self._request = request
        self._workflow = workflow
        self._directory = directory
        self._left = set(left)
        self._done = {node.name for node in workflow.order()} - self._left
        self._recalled = {name for name in record.executed_nodes if name not in self._left}
        self._touched: set[str] = set()
        self._calls: dict[str, int] = {}
        self._failures: list[BaseException] = []
        self._running: list[str] = []
        self._caller = Caller(workflow.threads)
        self._sink = Sink()
        self._file = file_handler(directory.log)
        self._shared = Shared(
            workflow.name,
            session.id,
            record.run + 1,
            results_dir=directory.path,
            inputs=record.inputs,
            outputs=Values(
                "output", {name: value for name, value in record.all_outputs().items() if name not in self._left}
            ),
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

    @property
    def record(self) -> SessionRecord:
        """What the session holds now."""
        return self._recorder.record

    async def execute(self) -> None:
        """Run what is left, and end the session. Raises SojournError when it cannot be recorded."""
        async with self._writing_lines():
            await self._begin()
            async with AsyncExitStack() as stack:
                problem = await self._set_up(stack)
                if problem:
                    await self._skip_all(problem)
                else:
                    order = self._workflow.order()
                    limit = self._workflow.max_concurrent
                    await execute(order, self._done, self._run_node, self._skip, max_concurrent=limit)
            await self._end()

    async def keep_screenshot(self, node: str, phase: str, name: str | None, data: bytes) -> Screenshot:
        """Attach a screenshot to the session, and write it to the run's directory."""
        content_type, suffix = screenshots.kind_of(data)
        run = self._shared.run_number
        name = name or f"{node or self._workflow.name}-{phase or 'screenshot'}{suffix}"
        artifact = await self.session.put_artifact(
            name,
            data,
            content_type=content_type,
            phase=phase,
            labels={SCREENSHOT: "true", "node": node, "run": str(run)},
        )
        taken = screenshots.from_artifact(artifact)
        file = await asyncio.to_thread(self._directory.keep_screenshot, phase, name, artifact.version, suffix, data)
        taken.path = str(file)
        self._shared.screenshots.append(taken)
        return taken

    async def set_result(self, name: str, value: Any) -> None:
        """Record a result now."""
        await self._recorder.set_result(name, value)

    async def step(self, context: QAContext, name: str, call: Function) -> Any:
        """Run a step that a function calls; what it returned, now or in an earlier run."""
        name = self._named(name)
        if name in self._recalled:
            return self._shared.outputs.get(name)
        outcome, error, photo = await self._attempt(Node(name, call), context.for_node(name))
        return await self._end_step(name, outcome, error, photo)

    def plain_step(self, context: QAContext, name: str, call: Function) -> Any:
        """The same for a plain step of a plain function."""
        if _is_in(self.loop):
            raise WorkflowError(
                f"step {name!r} would stop the event loop", test=self._workflow.name, expected="an `async def` function"
            )
        name = self._named(name)
        if name in self._recalled:
            return self._shared.outputs.get(name)
        inner = context.for_node(name)
        began = time.perf_counter()
        photo: bytes | None = None
        error: BaseException | None = None
        try:
            outcome = self._passed(name, began, call(inner))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as raised:
            error, outcome = raised, self._failed(began, raised)
            photo = _photographed(inner)
        ending = self._end_step(name, outcome, error, photo)
        return asyncio.run_coroutine_threadsafe(ending, self.loop).result()

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
        record.run, record.run_id = shared.run_number, self._context.run_id
        record.browser_session, record.results_dir = shared.browser_session, str(self._directory.path)
        record.workflow = planned
        left = [name for name in planned if name in self._left]
        self._context.log("run %d of %s begins: %s", record.run, self._workflow.name, ", ".join(left) or "nothing left")
        await self._recorder.begin(
            {
                "run": record.run,
                "run_id": record.run_id,
                "browser_session": record.browser_session,
                "results_dir": record.results_dir,
                "workflow": planned,
                "inputs": record.inputs,
            }
        )

    async def _set_up(self, stack: AsyncExitStack) -> str:
        """Set up what the workflow needs; what went wrong."""
        for function in self._workflow.setups:
            name = f"setup.{getattr(function, '__name__', 'setup')}"
            began = time.perf_counter()
            context = self._context.for_node(name)
            try:
                made = self._caller.setup(function, context)
                await made.__aenter__()
            except BaseException as error:
                if attempts.is_end(error):
                    raise
                await self._record(name, self._failed(began, error))
                return f"{name} failed"
            stack.push_async_callback(_tear_down, made, context.log)
        return ""

    async def _skip_all(self, reason: str) -> None:
        for node in self._workflow.order():
            if node.name in self._left:
                await self._skip(node, reason)

    async def _run_node(self, node: Node) -> bool:
        context = self._context.for_node(node.name)
        self._running.append(node.name)
        context.log.debug("begins")
        await self._tell()
        try:
            outcome, error, photo = await self._attempt(node, context)
        finally:
            self._running.remove(node.name)
        outcome = await self._record(node.name, outcome, error, photo)
        await self._tell()
        return outcome.status is StepStatus.PASSED

    async def _skip(self, node: Node, reason: str) -> None:
        await self._record(node.name, NodeRecord(StepStatus.SKIPPED, self._shared.run_number, error=reason))

    async def _attempt(self, node: Node, context: QAContext) -> tuple[NodeRecord, BaseException | None, bytes | None]:
        """Call a node as often as it may be; its outcome, and what a failed one raised and looked like."""
        for attempt in range(node.retries + 1):
            began = time.perf_counter()
            try:
                result = await self._caller.call(node.function, context, node.timeout)
                return self._passed(node.name, began, result), None, None
            except BaseException as error:
                if attempts.is_end(error):
                    raise
                if attempt == node.retries:
                    return self._failed(began, error), error, await self._photograph(context)
                context.log.warning("attempt %d failed: %s", attempt + 1, attempts.text_of(error))
        raise AssertionError("unreachable")

    def _passed(self, name: str, began: float, result: Any) -> NodeRecord:
        output = as_json(result, f"what node {name!r} returned", name)
        return NodeRecord(StepStatus.PASSED, self._shared.run_number, _since(began), output)

    def _failed(self, began: float, error: BaseException) -> NodeRecord:
        if any(error is known for known in self._failures):
            # A function that ends with the error of its step has not failed once more.
            reason = "ended by a step that failed"
            return NodeRecord(StepStatus.SKIPPED, self._shared.run_number, _since(began), error=reason)
        output = {"error_type": type(error).__name__, "traceback": attempts.trace_of(error)}
        return NodeRecord(StepStatus.FAILED, self._shared.run_number, _since(began), output, attempts.text_of(error))

    async def _photograph(self, context: QAContext) -> bytes | None:
        """What the page looks like; None when there is none, or when it cannot be told."""
        page = context.page
        if page is None:
            return None
        try:
            async with asyncio.timeout(_PHOTO_SECONDS):
                taken = (
                    screenshots.take(page)
                    if screenshots.is_async(page)
                    else await self._caller.in_thread(screenshots.take, page)
                )
                return taken if isinstance(taken, bytes) else screenshots.image(await taken)
        except Exception as error:
            context.log.warning("no screenshot of the failure: %s", attempts.text_of(error))
            return None

    async def _record(
        self, name: str, outcome: NodeRecord, error: BaseException | None = None, photo: bytes | None = None
    ) -> NodeRecord:
        """Record a node's outcome; as it was recorded."""
        log = self._context.for_node(name).log
        if outcome.status is StepStatus.FAILED:
            if photo is not None:
                try:
                    taken = await self.keep_screenshot(name, FAILURE, None, photo)
                    outcome.output["screenshot"] = taken.reference()
                except (InvalidRequestError, BlobsUnavailableError, OSError) as problem:
                    log.warning("the failure's screenshot is lost: %s", attempts.text_of(problem))
            log.error("failed: %s\n%s", outcome.error, (outcome.output or {}).get("traceback", ""))
        elif outcome.status is StepStatus.SKIPPED:
            log.warning("skipped: %s", outcome.error)
        else:
            log("passed in %.2f s", outcome.duration.total_seconds() if outcome.duration else 0.0)
        if error is not None:
            self._failures.append(error)
        self._touched.add(name)
        outcome = await self._recorder.ended(name, outcome)
        if outcome.status is StepStatus.PASSED and outcome.output is not None:
            self._shared.outputs[name] = outcome.output
        else:
            self._shared.outputs.pop(name, None)
        return outcome

    async def _end_step(self, name: str, outcome: NodeRecord, error: BaseException | None, photo: bytes | None) -> Any:
        outcome = await self._record(name, outcome, error, photo)
        if error is not None:
            raise error
        return outcome.output

    def _named(self, name: str) -> str:
        """The name of a step's next call."""
        number = self._calls[name] = self._calls.get(name, 0) + 1
        name = name if number == 1 else f"{name}-{number}"
        if name in self._workflow.nodes:
            raise WorkflowError(
                f"step {name!r} has the name of its test", test=self._workflow.name, expected="another name"
            )
        return name

    async def _tell(self) -> None:
        nodes = self._workflow.nodes
        done = sum(name in self._touched or name in self._done for name in nodes)
        await self._request.progress(done / len(nodes), ", ".join(self._running))

    async def _end(self) -> None:
        """What failed before and was not run again is no failure of the test as it is now."""
        for name in [*self.record.failed_nodes, *self.record.skipped_nodes]:
            if name not in self._touched and name not in self._workflow.nodes:
                reason = "not part of the newest run"
                if self.record.nodes[name].error != reason:
                    run = self._shared.run_number
                    await self._recorder.ended(name, NodeRecord(StepStatus.SKIPPED, run, error=reason))
        failed = self.record.failed_nodes
        self._context.log(
            "run %d ends: %d nodes passed, %d failed", self.record.run, len(self.record.executed_nodes), len(failed)
        )
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
        log.error("teardown failed: %s", attempts.text_of(error), exc_info=error)


def _photographed(context: QAContext) -> bytes | None:
    try:
        taken = screenshots.take(context.page) if context.page is not None else None
    except Exception as error:
        context.log.warning("no screenshot of the failure: %s", attempts.text_of(error))
        return None
    return taken if isinstance(taken, bytes) else None


def _since(began: float) -> timedelta:
    return timedelta(seconds=time.perf_counter() - began)


def _is_in(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
