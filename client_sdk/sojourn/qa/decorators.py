"""The decorators that define tests: `qa_test`, `step` and `setup`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import overload

from ..config import Seconds
from . import origin
from .errors import DuplicateNameError
from .inline import inline
from .registry import Registry, default_registry
from .workflow import After, F, Workflow

__all__ = ["qa_test", "setup", "step"]


@overload
def qa_test(function: F, /) -> F: ...


@overload
def qa_test(
    name: str | None = None,
    /,
    *,
    purpose: str = "",
    tags: Iterable[str] = (),
    retries: int = 0,
    timeout: Seconds | None = None,
    registry: Registry | None = None,
) -> Callable[[F], F]: ...


def qa_test(
    name: F | str | None = None,
    /,
    *,
    purpose: str = "",
    tags: Iterable[str] = (),
    retries: int = 0,
    timeout: Seconds | None = None,
    registry: Registry | None = None,
) -> F | Callable[[F], F]:
    """Register a function as a test; the function, as it was.

        @qa_test("checkout")
        async def checkout(context: QAContext) -> dict[str, str]:
            await fill_cart(context)          # functions marked with `step` become nodes of the test
            return {"order": "4711"}

    The function takes the context; `async def` or plain (then it runs in a thread). It is the test's last node, named
    as the test; the steps it calls are nodes before it.

    Args:
        name: None: the function's name.
        purpose, tags: of its sessions. No purpose: the name.
        retries, timeout: as for `Workflow.step`.
        registry: where to register it. None: the default one.

    Raises DuplicateNameError and WorkflowError.
    """

    def register(function: F) -> F:
        test_name = name if isinstance(name, str) else function.__name__
        test = Workflow(test_name, purpose=purpose, tags=tags, register=False)
        test.origin = origin.of_function(function)
        test.add(function, name=test_name, retries=retries, timeout=timeout)
        (registry if registry is not None else default_registry).add(test)
        return function

    return register if name is None or isinstance(name, str) else register(name)


@overload
def step(function: F, /) -> F: ...


@overload
def step(*, name: str | None = None) -> Callable[[F], F]: ...


@overload
def step(
    *,
    test: str | Workflow,
    name: str | None = None,
    after: After = (),
    retries: int = 0,
    timeout: Seconds | None = None,
    always: bool = False,
    registry: Registry | None = None,
) -> Callable[[F], F]: ...


def step(
    function: F | None = None,
    /,
    *,
    test: str | Workflow | None = None,
    name: str | None = None,
    after: After = (),
    retries: int = 0,
    timeout: Seconds | None = None,
    always: bool = False,
    registry: Registry | None = None,
) -> F | Callable[[F], F]:
    """Make a function a node: of the workflow `test`, or of whichever test calls it.

        @step(test="login")
        async def open_page(context): ...

        @step(test="login", after=["open_page"])
        async def sign_in(context): ...

    The workflow is made with its first step, and is registered. With `test`, the rest is as for `Workflow.step`.

    Without `test` the function is a node of the `qa_test` whose function calls it, with the context as its first
    argument. Its output is what it returns, as JSON; a run that resumes gets that instead of calling it again. Called a
    second time within a run it is another node: `name-2`. Called without a run's context it is what it was.

    Raises DuplicateNameError, UnknownNodeError and WorkflowError.
    """
    if test is None:
        return inline(function, name) if function is not None else lambda function: inline(function, name)
    workflow = _workflow(test, registry)
    return workflow.step(name=name, after=after, retries=retries, timeout=timeout, always=always)


def setup(*, test: str | Workflow, registry: Registry | None = None) -> Callable[[F], F]:
    """Add what is set up around every run of the workflow `test`; see `Workflow.setup`."""
    return _workflow(test, registry).setup


def _workflow(test: str | Workflow, registry: Registry | None) -> Workflow:
    if isinstance(test, Workflow):
        return test
    registry = registry if registry is not None else default_registry
    known = registry.find(test)
    if known is None:
        return Workflow(test, registry=registry)
    if set(known.nodes) == {test}:
        raise DuplicateNameError(
            f"test {test!r} is a function",
            test=test,
            name=test,
            expected="steps that the function calls: @step without `test`",
        )
    return known
