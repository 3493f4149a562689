"""Running a session's test: once at a time, wherever it is asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..config import Seconds
from ..enums import RequestPolicy
from ..errors import LimitExceededError, QueueTimeoutError, RequestCancelledError, SessionEndedError
from .directory import ResultsDirectory
from .errors import SessionBusyError, UnknownNodeError
from .models import QAResult, result_of
from .record import SessionRecord, passed_in
from .run import Run
from .workflow import Workflow

if TYPE_CHECKING:
    from ..client import Client
    from ..session import SessionHandle

LEASE_SECONDS = 15.0
"""How long a machine that vanished keeps a session from being resumed, and how long the service may be away without a
run being lost. A process that dies lets go at once."""

_EXCLUSIVE = "requests_per_session"
"""The limit that another run of the session reaches."""

IfRunning = Literal["wait", "refuse"]
"""What to do while another runs the same session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a session's test is to be run."""

    results_dir: Path
    inputs: dict[str, Any] | None = None
    """In the place of those that the session has."""
    rerun: frozenset[str] = frozenset()
    """Nodes to run although they have passed; what comes after them is run again, too."""
    if_running: IfRunning = "wait"
    timeout: Seconds | None = None
    """How long to wait."""


async def run_session(client: Client, session: SessionHandle, workflow: Workflow, asked: Asked) -> QAResult:
    """Run what the session lacks of the workflow, and end the session; what it is then.

    Raises SessionBusyError, WorkflowError, and SojournError when the run cannot go on.
    """
    began = time.perf_counter()
    info = session.info
    if not info.is_active:
        if not _left(workflow, passed_in(info), asked.rerun):
            return result_of(info, await SessionRecord.read(session), duration=time.perf_counter() - began)
        await session.resume()
    record = await _run(client, session, workflow, asked)
    if record is None:
        record = await SessionRecord.read(session)
    info = await session.refresh()
    result = result_of(info, record, duration=time.perf_counter() - began)
    await asyncio.to_thread(_keep_summary, result)
    return result


async def _run(client: Client, session: SessionHandle, workflow: Workflow, asked: Asked) -> SessionRecord | None:
    """The session's record after the run; None when another's run ended the session meanwhile."""
    request = session.track(
        f"run {workflow.name}",
        exclusive=True,
        policy=RequestPolicy.REJECT if asked.if_running == "refuse" else RequestPolicy.QUEUE,
        timeout=asked.timeout,
        lease_ttl=LEASE_SECONDS,
    )
    try:
        async with request:
            record = await SessionRecord.read(session)
            record.inputs = asked.inputs if asked.inputs is not None else record.inputs
            left = _left(workflow, record.executed_nodes, asked.rerun)
            directory = ResultsDirectory.create(asked.results_dir, workflow.name, datetime.now(UTC))
            run = Run(client, session, request, workflow, record, directory, left=left)
            await run.execute()
            return record
    except (LimitExceededError, QueueTimeoutError) as error:
        other = isinstance(error, LimitExceededError) and error.limit_name != _EXCLUSIVE
        if request.fencing_token or other:
            raise
        raise SessionBusyError(f"session {session.id!r} is being run elsewhere", session_id=session.id) from error
    except (RequestCancelledError, SessionEndedError):
        # Whoever waits while another run ends the session needs not run it once more.
        if request.fencing_token or (await session.refresh()).is_active:
            raise
        return None


def _left(workflow: Workflow, passed: Iterable[str], rerun: frozenset[str]) -> set[str]:
    """The nodes to run, and steps that are to be called again."""
    done = set(passed)
    nodes = {node.name for node in workflow.order()}
    for name in sorted(rerun):
        if name not in nodes and name not in done:
            raise UnknownNodeError(
                f"test {workflow.name!r} has no node {name!r} to run again",
                test=workflow.name,
                name=name,
                expected=f"one of {', '.join(map(repr, sorted(nodes | done)))}",
            )
    again = workflow.dependents(rerun & nodes) | (rerun - nodes)
    if rerun - nodes:
        again |= nodes  # steps are called by the function that calls them
    left = (nodes - done) | again
    if left:
        left |= {node.name for node in workflow.order() if node.always}
    return left


def _keep_summary(result: QAResult) -> None:
    """Write the summary beside what the run left, when it ran on this machine."""
    directory = Path(result["results_dir"])
    if result["results_dir"] and directory.is_dir():
        ResultsDirectory(directory).keep_summary(result)
