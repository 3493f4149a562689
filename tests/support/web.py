"""Web back ends under test: the examples, called in the same process or behind a real uvicorn."""

import asyncio
import importlib.util
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import httpx
import uvicorn
from fastapi import FastAPI

from .waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> ModuleType:
    """The module of an example."""
    known = sys.modules.get(f"examples_{name}")
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def called(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The application, started, behind a client that calls it in this process; its defects are raised here."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service", timeout=30) as http,
    ):
        yield http


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The application behind uvicorn; `host:port`, for what needs connections: those that break, and WebSockets."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await wait_until(lambda: server.started or serving.done(), timeout=30, description="uvicorn serves")
        assert server.started, "the application did not start"
        yield "{}:{}".format(*listener.getsockname())
    finally:
        server.should_exit = True
        await serving
        listener.close()
