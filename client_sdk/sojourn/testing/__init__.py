"""A private Sojourn server for your own tests.

    async with sojourn.testing.server() as target, sojourn.Client(target) as client:
        ...

With pytest the fixture `sojourn_server` does the same once for the whole run and gives the target. Both need the
service installed: `pip install 'sojourn[server]'`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ._process import ServerProcess, ServerStartError

__all__ = ["ServerProcess", "ServerStartError", "server"]


@asynccontextmanager
async def server(*, timeout: float = 30.0, **settings: object) -> AsyncIterator[str]:
    """Run an ephemeral server of its own on a free port of the loopback interface; its target.

    It is gone when the block ends, and when this process dies.

    Args:
        timeout: seconds it may take to start.
        settings: settings of the server by their names, for example `log_level="debug"`; those of the environment
            (`SOJOURN_*`) do not reach it.

    Raises ServerStartError, with the server's log, when it does not start.
    """
    process = ServerProcess(**settings)
    process.start()
    try:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while (target := process.poll()) is None:
            if loop.time() >= deadline:
                raise process.start_error(f"the server did not start within {timeout:g} s")
            await asyncio.sleep(0.02)
        yield target
    finally:
        # In a thread, for a cancelled test must not leave the server behind and the loop must go on meanwhile.
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, process.stop))
