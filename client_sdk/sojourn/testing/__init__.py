"""A private Sojourn server for your own tests.

    async with sojourn.testing.server() as target, sojourn.Client(target) as client:
        ...

With pytest the fixture `sojourn_server` does the same once for the whole run and gives the target. Both need the
service installed: `pip install 'sojourn[server]'`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._process import ServerProcess as ServerProcess
    from ._process import ServerStartError as ServerStartError

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
    import asyncio

    from ._process import ServerProcess

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


if not TYPE_CHECKING:  # pytest imports this package wherever it is installed: that has to cost nothing

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module("._process", __name__), name)
