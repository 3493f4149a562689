"""Sojourn for servers and clients of the Model Context Protocol, on the official SDK: `pip install 'sojourn[mcp]'`.

A server whose tool calls are recorded, each in the session that the call names:

    from mcp.server.mcpserver import MCPServer
    from sojourn.integrations.mcp import SessionRecorder

    recorder = SessionRecorder()
    server = MCPServer("git", middleware=[recorder], lifespan=recorder.lifespan)

A client that names it, without troubling the model:

    await client.call_tool("git_log", {"paths": ["src"]}, meta=session_meta(session.id))

And `sojourn_server(client)`: the MCP server of `sojourn mcp`, whose tools are the sessions themselves.
"""

from __future__ import annotations

try:
    import mcp.server.mcpserver  # noqa: F401 - only to tell what is missing
except ImportError as error:
    raise ImportError(
        f"sojourn.integrations.mcp needs the MCP SDK ({error}): pip install 'sojourn[mcp]'", name=error.name
    ) from error

from ._calls import RecordedCall, current_call
from ._handles import ARGUMENT, INVOCATION_KEY, RECORD_KEY, SESSION_KEY, session_meta
from ._recorder import SessionRecorder
from ._redaction import SECRET_KEYS
from .server import sojourn_server

__all__ = [
    "ARGUMENT",
    "INVOCATION_KEY",
    "RECORD_KEY",
    "SECRET_KEYS",
    "SESSION_KEY",
    "RecordedCall",
    "SessionRecorder",
    "current_call",
    "session_meta",
    "sojourn_server",
]
