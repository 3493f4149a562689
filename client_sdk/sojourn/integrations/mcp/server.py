"""The MCP server of `sojourn mcp`: tools that let an agent create, find, resume and annotate its sessions."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from mcp.server.mcpserver import MCPServer

from ...client import Client
from ._content_tools import ContentTools
from ._session_tools import SessionTools

INSTRUCTIONS = """\
Sessions keep what you do across conversations, restarts and machines: purpose, conversation, state, tool calls, log.

- Begin a piece of work with create_session and keep the session_id it returns; every other tool takes it.
- To go on with earlier work, find it with list_sessions or search_sessions and call resume_session.
- Remember progress with set_state, say what happens with add_message and log, note tools you used with
  record_invocation.
- End it with complete_session. Ended sessions are kept and can be resumed.

Errors name a reason in capitals, such as SESSION_NOT_FOUND, and say what to do next.\
"""


def sojourn_server(client: Client, *, name: str = "sojourn", read_only: bool = False) -> MCPServer:
    """A server with tools for the sessions that the client reaches.

        async with sojourn.Client() as client:
            await sojourn_server(client).run_stdio_async()

    Its tools keep nothing between two calls: any number of servers may answer for one another.

    Args:
        client: connected while the server runs. Sessions are created with its `user_id` and `project` by default.
        read_only: only tools that change nothing.
    """
    server = MCPServer(
        name, title="Sojourn sessions", instructions=INSTRUCTIONS, version=_version(), log_level="WARNING"
    )
    for tools in (SessionTools(client), ContentTools(client)):
        tools.add_to(server, read_only=read_only)
    return server


def _version() -> str:
    try:
        return version("sojourn")
    except PackageNotFoundError:  # run from its sources
        return ""
