"""The handle of a session in a tool call: how it is announced, and how it is taken out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from mcp.server.context import CallNext, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import RequestParamsMeta
from pydantic import BaseModel

ARGUMENT = "session_id"
"""Argument of a tool call that names the session, unless the recorder is told another."""
SESSION_KEY = "sojourn/session_id"
"""Key of a request's `_meta` that names the session; it wins over the argument."""
INVOCATION_KEY = "sojourn/invocation_id"
"""Key of a request's `_meta` with the id that the invocation gets; without it one is minted."""
RECORD_KEY = "sojourn/record"
"""Key of a result's `_meta` that tells what became of the record."""

_MOST_PAGES = 100
"""Pages of tools read to find one; a server whose list never ends must not hold up a call."""

_MOST_CHARACTERS = 256
"""Of an id: more than any has, and few enough to tell of it."""

Document = dict[str, Any]


def session_meta(session_id: str, *, invocation_id: str | None = None) -> RequestParamsMeta:
    """The `meta` of a tool call (`mcp.Client.call_tool`) that is to be recorded in a session.

    `invocation_id`: the id that the invocation gets, for example that of the model's own tool call. None: a new one.
    """
    meta = {SESSION_KEY: session_id}
    if invocation_id is not None:
        meta[INVOCATION_KEY] = invocation_id
    return cast("RequestParamsMeta", meta)


@dataclass(frozen=True, slots=True)
class Handle:
    """What a call says about its record; `session_id` is empty when it names no session."""

    session_id: str = ""
    invocation_id: str | None = None


def plain(result: BaseModel | Mapping[str, Any] | None) -> Document:
    """A result as it goes over the wire, free to be changed at its top."""
    if isinstance(result, BaseModel):
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return dict(result or {})


class Handles:
    """Announces the argument in the tools' schemas, and takes it out of calls.

    A tool with an argument of this name of its own keeps it: it is not announced, and what is given is the tool's.

    Args:
        argument: None: only `_meta` names sessions.
        required: whether the schemas say that the argument must be given.
    """

    def __init__(self, argument: str | None, *, required: bool) -> None:
        self._argument = argument
        self._required = required
        self._owned: dict[str, bool] = {}  # by tool: whether the argument is its own

    def announce(self, listed: Document) -> Document:
        """The answer to `tools/list` with the argument in every tool's schema."""
        if self._argument is None or not isinstance(listed.get("tools"), list):
            return listed
        return listed | {"tools": [self._announced(tool) for tool in listed["tools"]]}

    def _announced(self, tool: Document) -> Document:
        schema = tool.get("inputSchema") or {"type": "object"}
        properties = schema.get("properties") or {}
        owned = self._argument in properties
        self._owned[tool["name"]] = owned
        if owned:
            return tool
        need = "" if self._required else " Leave it out when there is none."
        description = f"Id of the session that this call is recorded in.{need}"
        schema = schema | {"properties": properties | {self._argument: {"type": "string", "description": description}}}
        if self._required:
            schema["required"] = [*(schema.get("required") or ()), self._argument]
        return tool | {"inputSchema": schema}

    async def take(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> tuple[Handle, ServerRequestContext[Any, Any]]:
        """The handle of a `tools/call`, and the request as the tool is to see it."""
        params = dict(ctx.params or {})
        meta, arguments = params.get("_meta"), params.get("arguments")
        meta = meta if isinstance(meta, Mapping) else {}
        given: Any = None
        if isinstance(arguments, Mapping) and self._argument in arguments and not await self._is_own(ctx, call_next):
            arguments = dict(arguments)
            given = arguments.pop(self._argument)
            ctx = replace(ctx, params=params | {"arguments": arguments})
        chosen = meta.get(SESSION_KEY) or given
        invocation_id = meta.get(INVOCATION_KEY)
        # What is no text names no session: it is told as such, not taken for no handle.
        session_id = "" if chosen is None else str(chosen)[:_MOST_CHARACTERS]
        return Handle(session_id, str(invocation_id)[:_MOST_CHARACTERS] if invocation_id else None), ctx

    async def _is_own(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> bool:
        """Whether the tool that is called has an argument of that name itself."""
        name = (ctx.params or {}).get("name")
        if not isinstance(name, str):
            return False
        if name not in self._owned:
            await self._learn(name, ctx, call_next)
        return self._owned.get(name, False)

    async def _learn(self, name: str, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> None:
        """Asks the server itself for its tools, until this one is among them."""
        cursor: Any = None
        meta = {"_meta": ctx.params["_meta"]} if ctx.params and "_meta" in ctx.params else {}
        for _ in range(_MOST_PAGES):
            params = meta if cursor is None else meta | {"cursor": cursor}
            try:
                listed = plain(await call_next(replace(ctx, method="tools/list", params=params)))
            except MCPError:
                return  # it has no list
            self.announce(listed)
            cursor = listed.get("nextCursor")
            if name in self._owned or cursor is None:
                return
