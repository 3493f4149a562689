"""Workflows: named nodes that come after one another."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError as GraphCycle
from graphlib import TopologicalSorter
from types import MappingProxyType
from typing import Any, TypeVar, overload

from ..config import Seconds, seconds
from . import origin
from .errors import CycleError, DuplicateNameError, UnknownNodeError, WorkflowError
from .registry import Registry, default_registry

Function = Callable[..., Any]
"""A node's: it takes the QAContext, and what it returns (awaited, when it is awaitable) is the node's output."""

F = TypeVar("F", bound=Function)

After = str | Function | Iterable[str | Function]
"""Nodes by their names, or by their functions."""


MOST_NAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a workflow."""

    name: str
    function: Function
    after: tuple[str, ...] = ()
    """Names of the nodes that must have passed first."""
    retries: int = 0
    """How often it is tried again within a run before it counts as failed."""
    timeout: float | None = None
    """Seconds an attempt may take. None: any time."""
    always: bool = False
    """Whether it is run again by every run that has anything left to do, although it has passed."""


def check_name(name: object, what: str, test: str = "") -> None:
    """Raises WorkflowError for what a session cannot have as a name."""
    if not isinstance(name, str) or not name.isprintable() or not 1 <= len(name.encode()) <= MOST_NAME_BYTES:
        raise WorkflowError(
            f"{name!r} is no name of a {what}",
            test=test if isinstance(test, str) else "",
            expected=f"1 to {MOST_NAME_BYTES} bytes of text without control characters",
        )


class Workflow:
    """A test that consists of nodes.

        login = Workflow("login")

        @login.step
        async def open_page(context): ...

        @login.step(after=open_page)
        async def sign_in(context): ...

    Nodes run as soon as all they come after have passed, concurrently where that leaves several. When one fails, those
    after it are skipped and the others go on.

    Args:
        name: what `QAClient.run_qa_test` runs it by.
        purpose, tags: of its sessions. No purpose: the name.
        threads: how many plain functions (not `async def`) of a run may run at a time. With 1, the default, they all
            run in one and the same thread, which is what Playwright's sync API needs.
        max_concurrent: most nodes of a run at a time. None: as many as are ready.
        registry: where to register it. None: where `qa_test` registers.
        register: False leaves it out of every registry; such a workflow is run by being given itself.

    Raises DuplicateNameError.
    """

    def __init__(
        self,
        name: str,
        *,
        purpose: str = "",
        tags: Iterable[str] = (),
        threads: int = 1,
        max_concurrent: int | None = None,
        registry: Registry | None = None,
        register: bool = True,
    ) -> None:
        check_name(name, "test", name)
        for field, number in (("threads", threads), ("max_concurrent", max_concurrent)):
            if number is not None and number < 1:
                raise WorkflowError(f"{field} of test {name!r} is {number}", test=name, expected="1 or more")
        self.name = name
        self.purpose = purpose
        self.tags = tuple(tags)
        self.threads = threads
        self.max_concurrent = max_concurrent
        self.origin = origin.of_caller(1)
        """Where it was defined."""
        self._nodes: dict[str, Node] = {}
        self._setups: list[Function] = []
        self._ordered: tuple[Node, ...] | None = None
        if register:
            (registry if registry is not None else default_registry).add(self)

    def __repr__(self) -> str:
        return f"Workflow({self.name!r}, nodes={list(self._nodes)})"

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The nodes by name, in the order they were added."""
        return MappingProxyType(self._nodes)

    @property
    def setups(self) -> tuple[Function, ...]:
        """What is set up around every run."""
        return tuple(self._setups)

    @overload
    def step(self, function: F, /) -> F: ...

    @overload
    def step(
        self,
        /,
        *,
        name: str | None = None,
        after: After = (),
        retries: int = 0,
        timeout: Seconds | None = None,
        always: bool = False,
    ) -> Callable[[F], F]: ...

    def step(
        self,
        function: F | None = None,
        /,
        *,
        name: str | None = None,
        after: After = (),
        retries: int = 0,
        timeout: Seconds | None = None,
        always: bool = False,
    ) -> F | Callable[[F], F]:
        """Add a node; the function, as it was.

        Args:
            name: None: the function's name.
            after: the nodes that must have passed first.
            retries: how often to try again within a run when it fails.
            timeout: how long an attempt may take; of `async def` functions only.
            always: run it in every run that has anything left to do, although it has passed: what a browser, which no
                run takes over from the one before, needs for the nodes that follow.

        Raises DuplicateNameError and WorkflowError.
        """

        def add(function: F) -> F:
            self.add(function, name=name, after=after, retries=retries, timeout=timeout, always=always)
            return function

        return add if function is None else add(function)

    def setup(self, function: F) -> F:
        """Add what is set up before the nodes of every run, and torn down after them; the function, as it was.

            @login.setup
            async def browser(context):
                async with async_playwright() as playwright:
                    context.page = await (await playwright.chromium.launch()).new_page()
                    yield

        It is a generator function with one `yield`, async or plain, or returns a context manager. When it raises, no
        node is run. A run that has nothing left to do sets nothing up.
        """
        place = origin.of_function(function)
        self._setups = [each for each in self._setups if origin.of_function(each) != place]
        self._setups.append(function)
        return function

    def add(
        self,
        function: Function,
        *,
        name: str | None = None,
        after: After = (),
        retries: int = 0,
        timeout: Seconds | None = None,
        always: bool = False,
    ) -> Node:
        """Add a node; see `step`."""
        if not callable(function):
            raise WorkflowError(f"a node of test {self.name!r} is no function", test=self.name, expected="a function")
        name = name or str(getattr(function, "__name__", ""))
        check_name(name, "node", self.name)
        known = self._nodes.get(name)
        if known is not None and origin.of_function(known.function) != origin.of_function(function):
            raise DuplicateNameError(
                f"test {self.name!r} has a node {name!r} already",
                test=self.name,
                name=name,
                expected="a name for each node",
            )
        if retries < 0:
            raise WorkflowError(f"retries of node {name!r} are {retries}", test=self.name, expected="0 or more")
        if timeout is not None and not inspect.iscoroutinefunction(function):
            raise WorkflowError(
                f"node {name!r} has a timeout and cannot be stopped", test=self.name, expected="an `async def` function"
            )
        limit = None if timeout is None else seconds(timeout)
        node = Node(name, function, self._names(name, after), retries, limit, always)
        self._nodes[name] = node
        self._ordered = None
        return node

    def order(self) -> tuple[Node, ...]:
        """The nodes, each after those it depends on; else in the order they were added.

        Raises UnknownNodeError, CycleError, and WorkflowError when there are no nodes.
        """
        if self._ordered is None:
            self._ordered = self._sorted()
        return self._ordered

    def dependents(self, names: Iterable[str]) -> set[str]:
        """These nodes and all that come after them, by whatever way."""
        found = set(names)
        for node in self.order():
            if found.intersection(node.after):
                found.add(node.name)
        return found

    def _sorted(self) -> tuple[Node, ...]:
        if not self._nodes:
            raise WorkflowError(f"test {self.name!r} has no nodes", test=self.name, expected="at least one node")
        for node in self._nodes.values():
            for name in node.after:
                if name not in self._nodes:
                    raise UnknownNodeError(
                        f"node {node.name!r} of test {self.name!r} comes after {name!r}, which is none",
                        test=self.name,
                        node=node.name,
                        name=name,
                        expected=f"one of {', '.join(map(repr, self._nodes))}",
                    )
        sorter = TopologicalSorter({node.name: node.after for node in self._nodes.values()})
        try:
            return tuple(self._nodes[name] for name in sorter.static_order())
        except GraphCycle as error:
            # graphlib has each before the one that waits for it.
            cycle = tuple(reversed(error.args[1]))
            raise CycleError(
                f"nodes of test {self.name!r} wait for each other: {' -> '.join(cycle)}",
                test=self.name,
                cycle=cycle,
                expected="nodes of which none comes after itself",
            ) from None

    def _names(self, node: str, after: After) -> tuple[str, ...]:
        several: list[str | Function] = [after] if isinstance(after, str) or callable(after) else list(after)
        names: dict[str, None] = {}
        for each in several:
            if isinstance(each, str):
                names[each] = None
                continue
            known = next((known.name for known in self._nodes.values() if known.function is each), None)
            if known is None:
                name = getattr(each, "__name__", repr(each))
                raise UnknownNodeError(
                    f"node {node!r} of test {self.name!r} comes after {name!r}, which is no node of it so far",
                    test=self.name,
                    node=node,
                    name=name,
                    expected="the function of a node that was added before, or a name",
                )
            names[known] = None
        return tuple(names)
