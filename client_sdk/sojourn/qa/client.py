"""QAClient: runs tests, each in a session of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .._transport.values import invalid
from ..client import Client
from ..config import TLS, Seconds
from ..session import SessionHandle
from .connections import Connected, Place
from .errors import TestMismatchError
from .ids import SESSION_KIND
from .models import QAResult
from .record import TEST_NAME
from .registry import Registry, default_registry
from .running import Asked, IfRunning, run_session
from .settings import QASettings
from .values import as_json
from .workflow import Workflow


class QAClient(Connected):
    """Runs a test in a session: a new one, or one that stopped before its end.

        result = await QAClient(user_id="user1", project="auth_tests").run_qa_test("my_test")
        again = await QAClient(session_uuid=result["context_summary"]["session_id"]).run_qa_test()

    Nothing needs closing: connections are open during runs only, and shared by clients of the same server. As an
    `async with` block it keeps its connection for several calls.

    Args:
        user_id, project: labels of the new session.
        session_uuid: the session to go on with. None: a new one, made at the first use.
        target: the server, `host:port`. None: the environment's SOJOURN_TARGET, else the one at `localhost:7431` if it
            answers, else an embedded one that keeps its data in `memory_dir`.
        api_key, tls: as for `sojourn.Client`.
        client: a connection to use, instead of these three.
        memory_dir: None: QA_MEMORY_DIR, else `memory`.
        results_dir: where runs have their directories. None: QA_RESULTS_DIR, else `results`.
        tags, metadata: of the new session.
        registry: where tests are looked up. None: where `qa_test` registers.
    """

    def __init__(
        self,
        user_id: str | None = None,
        project: str | None = None,
        session_uuid: str | None = None,
        *,
        target: str | None = None,
        api_key: str | None = None,
        tls: TLS | bool | None = None,
        client: Client | None = None,
        memory_dir: str | os.PathLike[str] | None = None,
        results_dir: str | os.PathLike[str] | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        registry: Registry | None = None,
    ) -> None:
        settings = QASettings.from_environment()
        self.user_id = user_id
        self.project = project
        super().__init__(Place(target, Path(memory_dir or settings.memory_dir).absolute(), api_key, tls), client)
        self._results_dir = Path(results_dir or settings.results_dir)
        self._tags = tuple(tags)
        self._metadata = dict(metadata or {})
        self._registry = registry if registry is not None else default_registry
        self._session_id = session_uuid
        self._opening = asyncio.Lock()

    def __repr__(self) -> str:
        return f"QAClient(session_id={self._session_id!r})"

    @property
    def session_id(self) -> str | None:
        """Id of the session; None until it is made."""
        return self._session_id

    @property
    def session_uuid(self) -> str | None:
        """The session's id, as it was called before."""
        return self._session_id

    async def open_session(self, test: str | Workflow | None = None, *, inputs: Mapping[str, Any] | None = None) -> str:
        """Make the session now, for those who want to watch it from the start; its id. With one, it only looks.

        Arguments and errors are as for `run_qa_test`.
        """
        async with self._connected() as client:
            session, _ = await self._session(client, test, _checked(inputs))
            return session.id

    async def run_qa_test(
        self,
        test: str | Workflow | None = None,
        *,
        inputs: Mapping[str, Any] | None = None,
        rerun: Iterable[str] = (),
        if_running: IfRunning = "wait",
        timeout: Seconds | None = None,
    ) -> QAResult:
        """Run a test, or what is left of it; how the session is then.

        Nodes that passed in an earlier run of the session are not run again, and their outputs are there. Nodes that
        failed, were skipped or never ended are. That nodes fail raises nothing: it is in the result.

        Nodes are known by their names: when the workflow changed since, new and renamed nodes are run, and those that
        passed count as passed whatever became of their code.

        Args:
            test: its name, or the workflow itself. None: that of the session.
            inputs: JSON values for the test, `context.inputs`; kept in the session for later runs. None: those it has.
            rerun: nodes to run although they passed, with all that come after them.
            if_running: while another client runs this session, `wait` for it, and go on only with what it left when it
                dies; or `refuse`: SessionBusyError.
            timeout: how long to wait; then SessionBusyError.

        Raises UnknownTestError, WorkflowError, TestMismatchError (the session is another test's),
        SessionNotFoundError, EmbeddedServerError, RequestCancelledError (somebody stopped the run) and, when the
        service was away for too long or the run lost its lease, SojournError: another run then goes on.
        """
        if if_running not in ("wait", "refuse"):
            raise invalid("if_running", "'wait' or 'refuse'")
        inputs = _checked(inputs)
        async with self._connected() as client:
            session, workflow = await self._session(client, test, inputs)
            asked = Asked(
                results_dir=self._results_dir,
                inputs=inputs,
                rerun=frozenset(rerun),
                if_running=if_running,
                timeout=timeout,
            )
            return await run_session(client, session, workflow, asked)

    async def _session(
        self, client: Client, test: str | Workflow | None, inputs: dict[str, Any] | None
    ) -> tuple[SessionHandle, Workflow]:
        async with self._opening:
            if self._session_id is None:
                return await self._create(client, test, inputs)
        session = await client.get_session(self._session_id)
        known = session.info.metadata.get(TEST_NAME)
        asked = test.name if isinstance(test, Workflow) else test
        if known and asked and known != asked:
            raise TestMismatchError(
                f"session {session.id!r} is of test {known!r}, not {asked!r}: use another client",
                session_id=session.id,
                test=known,
                asked=asked,
            )
        workflow = self._workflow(test if test is not None else known)
        if not known:
            await session.update(metadata={TEST_NAME: workflow.name})
        return session, workflow

    async def _create(
        self, client: Client, test: str | Workflow | None, inputs: dict[str, Any] | None
    ) -> tuple[SessionHandle, Workflow]:
        workflow = self._workflow(test)
        session = await client.create_session(
            kind=SESSION_KIND,
            user_id=self.user_id,
            project=self.project,
            purpose=workflow.purpose or workflow.name,
            tags=[*workflow.tags, *self._tags],
            metadata={**self._metadata, TEST_NAME: workflow.name},
            state={"inputs": inputs} if inputs else None,
        )
        self._session_id = session.id
        return session, workflow

    def _workflow(self, test: str | Workflow | None) -> Workflow:
        """The test, checked. Raises UnknownTestError and WorkflowError."""
        if test is None:
            raise TestMismatchError("no test is named, and the session knows none", session_id=self._session_id or "")
        workflow = test if isinstance(test, Workflow) else self._registry.get(test)
        workflow.order()
        return workflow


def _checked(inputs: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The inputs as JSON. Raises InvalidFieldError and OutputError."""
    if inputs is None:
        return None
    kept = as_json(inputs, "inputs")
    if not isinstance(kept, dict):
        raise invalid("inputs", "a mapping from names to JSON values")
    return kept
