"""Serving an MCP server over standard input and output, or over HTTP."""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Callable

from mcp.server.mcpserver import MCPServer

PATH = "/mcp"
"""Where HTTP clients find it."""

_GRACE_SECONDS = 3
"""How long calls in flight may take to end when it is told to stop."""


async def serve_stdio(server: MCPServer) -> None:
    """Serve one client until it closes our standard input. Nothing but the protocol goes to standard output."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # The thread that reads standard input cannot be asked to stop; what was answered is safe anyway.
        signal.signal(number, signal.SIG_DFL)
    await server.run_stdio_async()


async def serve_http(server: MCPServer, host: str, port: int, *, told: Callable[[str], None]) -> None:
    """Serve any number of clients over streamable HTTP until SIGTERM or SIGINT.

    No call needs an earlier one, so any number of such processes may stand behind one address.

    Args:
        port: 0 takes a free one.
        told: called with the URL once it is served.

    Raises OSError when the address cannot be had.
    """
    import uvicorn

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=256) as listening:
        app = server.streamable_http_app(streamable_http_path=PATH, stateless_http=True, host=host)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=_GRACE_SECONDS
        )
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        told(f"http://{shown}:{listening.getsockname()[1]}{PATH}")
        await uvicorn.Server(config).serve(sockets=[listening])


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
