"""In which order nodes run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import nullcontext

from .workflow import Node

Run = Callable[[Node], Awaitable[bool]]
"""Runs a node; whether it passed. What it raises ends everything."""

Skip = Callable[[Node, str], Awaitable[None]]
"""Is told of a node that is not run, and why."""


async def execute(
    nodes: Sequence[Node], passed: Collection[str], run: Run, skip: Skip, *, max_concurrent: int | None = None
) -> None:
    """Run each node as soon as all that it comes after have passed, concurrently; skip it when one has not.

    nodes: in an order in which each comes after what it depends on, and all of that.
    passed: names of those that need not run.
    """
    outcomes: dict[str, asyncio.Future[bool]] = {}
    loop = asyncio.get_running_loop()
    for node in nodes:
        outcomes[node.name] = loop.create_future()
        if node.name in passed:
            outcomes[node.name].set_result(True)
    room = asyncio.Semaphore(max_concurrent) if max_concurrent is not None else nullcontext()

    async def one(node: Node) -> None:
        missing = [name for name in node.after if not await outcomes[name]]
        if missing:
            await skip(node, f"{', '.join(missing)} did not pass")
            outcome = False
        else:
            async with room:
                outcome = await run(node)
        outcomes[node.name].set_result(outcome)

    try:
        async with asyncio.TaskGroup() as group:
            for node in nodes:
                if not outcomes[node.name].done():
                    group.create_task(one(node))
    except BaseExceptionGroup as several:
        # Whoever runs a test wants to know that the server is away, not that some tasks were told so.
        raise several.exceptions[0] from None
