"""The context: what a node is given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .._transport.values import invalid
from ..errors import ClientStateError
from . import detached, ids, screenshots
from .logs import SessionLogger
from .screenshots import Screenshot, Taken, is_running
from .values import Values

if TYPE_CHECKING:
    from ..client import Client
    from ..session import SessionHandle
    from .steps import Steps


class Hands(Protocol):
    """What a run does for its nodes."""

    client: Client
    session: SessionHandle
    loop: asyncio.AbstractEventLoop
    steps: Steps

    async def take_screenshot(self, source: object) -> bytes: ...

    async def keep_screenshot(self, node: str, phase: str, name: str | None, data: bytes) -> Screenshot: ...

    async def set_result(self, name: str, value: Any) -> None: ...


@dataclass(slots=True)
class Shared:
    """What the nodes of a run have in common."""

    test_name: str
    session_id: str
    run_number: int = 0
    browser_session: str = field(default_factory=ids.browser_id)
    results_dir: Path | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: Values = field(default_factory=lambda: Values("output"))
    test_results: Values = field(default_factory=lambda: Values("result"))
    local: dict[str, Any] = field(default_factory=dict)
    page: object = None
    screenshots: list[Screenshot] = field(default_factory=list)
    log: SessionLogger | None = None
    hands: Hands | None = None


class QAContext:
    """What a node of a QA test works with, and what it leaves behind.

    All nodes of a run share it, but for `node` and `log`. Made by hand, `QAContext("login")`, it is a test's without a
    session: nothing of it leaves the process but the screenshots, which are files.
    """

    def __init__(
        self, test_name: str, *, session_uuid: str | None = None, _shared: Shared | None = None, _node: str = ""
    ) -> None:
        self._shared = _shared or Shared(test_name, session_uuid or ids.session_id())
        self._page: object = None
        self.node = _node
        """The node's name; empty outside nodes."""
        outer = self._shared.log
        self.log = SessionLogger(
            ".".join(filter(None, (self.session_id, _node))), _node, outer.handlers if outer is not None else ()
        )
        """The session's log: `context.log("text")`, and all that `logging.Logger` has."""

    def __repr__(self) -> str:
        return f"QAContext({self.test_name!r}, session_id={self.session_id!r}, node={self.node!r})"

    @property
    def test_name(self) -> str:
        """The test that runs."""
        return self._shared.test_name

    @property
    def session_id(self) -> str:
        """Id of the session."""
        return self._shared.session_id

    @property
    def session_uuid(self) -> str:
        """The session's id, as it was called before."""
        return self._shared.session_id

    @property
    def run_number(self) -> int:
        """Which run of the session this is, from 1; 0 without a session."""
        return self._shared.run_number

    @property
    def run_id(self) -> str:
        """`test-<session>-<number of the run>`."""
        return ids.run_id(self.session_id, self.run_number)

    @property
    def browser_session(self) -> str:
        """Id of the run's browser, `browser-<hex>`; every run has another."""
        return self._shared.browser_session

    @property
    def inputs(self) -> dict[str, Any]:
        """What the test was started with; a session's later runs have the same."""
        return self._shared.inputs

    @property
    def test_results(self) -> dict[str, Any]:
        """Results of the test by name: JSON values of at most 1 MiB, anything else raises OutputError.

        What nodes set is recorded when they end; `set_result` records at once. What is recorded can be replaced, but
        not removed.
        """
        return self._shared.test_results

    @test_results.setter
    def test_results(self, values: dict[str, Any]) -> None:
        self._shared.test_results.replace(values)

    @property
    def outputs(self) -> dict[str, Any]:
        """What nodes returned, by their names, as JSON; nodes may set more, which is as with `test_results`."""
        return self._shared.outputs

    @outputs.setter
    def outputs(self, values: dict[str, Any]) -> None:
        self._shared.outputs.replace(values)

    @property
    def screenshots(self) -> dict[str, list[Screenshot]]:
        """The screenshots so far by phase, those of the session's earlier runs included."""
        phases: dict[str, list[Screenshot]] = {}
        for each in self._shared.screenshots:
            phases.setdefault(each.phase, []).append(each)
        return phases

    @property
    def local(self) -> dict[str, Any]:
        """Whatever nodes share within this run alone: drivers, connections."""
        return self._shared.local

    @property
    def page(self) -> Any:
        """The page or driver: this node's own, else the one set last. A node that fails is photographed with it."""
        return self._page if self._page is not None else self._shared.page

    @page.setter
    def page(self, page: object) -> None:
        self._page = self._shared.page = page

    @property
    def results_dir(self) -> Path | None:
        """The run's directory; None when nothing was written yet."""
        return self._shared.results_dir

    @property
    def session(self) -> SessionHandle:
        """The session, for all else that it can do. Raises ClientStateError without one."""
        return self._with_session().session

    @property
    def client(self) -> Client:
        """The connection of the run. Raises ClientStateError without one."""
        return self._with_session().client

    def screenshot(self, phase: str, source: object = None, *, name: str | None = None) -> Awaitable[Screenshot]:
        """Take a screenshot and attach it to the session; what was taken.

            await context.screenshot("before", page)

        In a plain function it is taken and kept when this returns: `context.screenshot("before", page)`.

        Args:
            phase: phase of the test, for people and for finding it.
            source: a Playwright page (async or sync) or element, a Selenium driver or element, bytes, or a path. None:
                `page`.
            name: of the artifact; the same name again is its next version. None: the node's name and the phase.

        Raises InvalidFieldError, OSError, what the driver raises, and what `SessionHandle.put_artifact` does.
        """
        source = self.page if source is None else source
        if source is None:
            raise invalid("source", f"{screenshots.EXPECTED}, or a page set before: `context.page = page`")
        hands = self._shared.hands
        if hands is None:
            return detached.screenshot(self._shared, self.node, phase, source, name)
        if is_running(hands.loop):
            return self._take(hands, phase, source, name)
        # A plain function: its browser must be used here, in its thread.
        keeping = self._keep(hands, phase, screenshots.take(source), name)
        return Taken(asyncio.run_coroutine_threadsafe(keeping, hands.loop).result())

    async def set_result(self, name: str, value: Any) -> None:
        """Set a result and record it now, for those who watch. Raises OutputError."""
        if self._shared.hands is None:
            self._shared.test_results[name] = value
        else:
            await self._shared.hands.set_result(name, value)

    def for_node(self, node: str) -> QAContext:
        """The same context for a node."""
        return QAContext(self.test_name, _shared=self._shared, _node=node)

    async def _take(self, hands: Hands, phase: str, source: object, name: str | None) -> Screenshot:
        return await self._keep(hands, phase, await hands.take_screenshot(source), name)

    async def _keep(self, hands: Hands, phase: str, taken: bytes | Awaitable[object], name: str | None) -> Screenshot:
        data = taken if isinstance(taken, bytes) else screenshots.image(await taken)
        return await hands.keep_screenshot(self.node, phase, name, data)

    def _with_session(self) -> Hands:
        if self._shared.hands is None:
            raise ClientStateError("this context has no session: it was made by hand")
        return self._shared.hands
