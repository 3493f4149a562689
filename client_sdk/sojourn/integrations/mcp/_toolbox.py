"""How methods become tools of an MCP server: what they promise, and how they fail."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from ... import errors
from ...client import Client
from ._reasons import reason_of

P = ParamSpec("P")
R = TypeVar("R")
Method = Callable[P, Awaitable[R]]

_ANNOTATIONS = "_sojourn_tool"

_NEXT_STEPS: tuple[tuple[type[errors.SojournError], str], ...] = (
    (errors.SessionDeletedError, "Create another with create_session."),
    (errors.SessionNotFoundError, "Find sessions with list_sessions or search_sessions, or make one: create_session."),
    (errors.SessionAlreadyExistsError, "Take another id, or go on with that session: resume_session."),
    (errors.SessionEndedError, "Make it active again with resume_session, or continue in a copy: fork_session."),
    (errors.RevisionConflictError, "Somebody else changed it: read it with get_session and decide anew."),
    (errors.TooLargeError, "Make it smaller."),
    (errors.InvalidRequestError, "Correct the arguments."),
    (errors.ResourceExhaustedError, "A limit is reached: try later, or clean up."),
    (errors.UnavailableError, "The service is away for the moment: try again in a few seconds."),
    (errors.DeadlineExceededError, "The service is slow for the moment: try again in a few seconds."),
)


def reading(method: Method[P, R]) -> Method[P, R]:
    """Marks a tool that changes nothing."""
    return _marked(method, ToolAnnotations(read_only_hint=True, open_world_hint=False))


def writing(
    *, idempotent: bool = False, destructive: bool = False
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Marks a tool that changes a session.

    idempotent: the same call again changes nothing more. destructive: it loses what was there.
    """
    annotations = ToolAnnotations(
        read_only_hint=False, destructive_hint=destructive, idempotent_hint=idempotent, open_world_hint=False
    )
    return lambda method: _marked(method, annotations)


def _marked(method: Method[P, R], annotations: ToolAnnotations) -> Method[P, R]:
    setattr(method, _ANNOTATIONS, annotations)
    return method


class Toolbox:
    """Tools as methods: each one marked is a tool of its name, its docstring is what models read."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def add_to(self, server: MCPServer, *, read_only: bool = False) -> None:
        """Gives the server the tools; with `read_only` only those that change nothing."""
        for name in vars(type(self)):
            annotations = getattr(getattr(self, name), _ANNOTATIONS, None)
            if annotations is None or (read_only and not annotations.read_only_hint):
                continue
            method = getattr(self, name)
            server.add_tool(
                _telling(method),
                title=name.replace("_", " ").capitalize(),
                description=inspect.getdoc(method),
                annotations=annotations,
                structured_output=True,
            )


def _telling(method: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """The method, with errors that a model can read: the reason, what happened, the next step."""

    @functools.wraps(method)
    async def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await method(*args, **kwargs)
        except errors.SojournError as error:
            raise ToolError(readable(error)) from error

    return told


def readable(error: errors.SojournError) -> str:
    """`REASON: what happened. What to do.`"""
    step: Any = next((step for kind, step in _NEXT_STEPS if isinstance(error, kind)), "")
    return f"{reason_of(error)}: {str(error).rstrip('.')}. {step}".rstrip()
