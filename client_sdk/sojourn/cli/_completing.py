"""What a shell completes from the server: ids of sessions, names of templates and pools. Silent when it is away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    import sojourn

_SECONDS = 1.0
"""Somebody waits for it with a finger on the key."""
_MOST = 200
"""Sessions looked through, the newest; templates."""

Found = AsyncIterator[tuple[str, str]]
"""Values and what to say of each."""
Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


def _completer(find: Callable[[sojourn.Client], Found]) -> Completer:
    """A click `shell_complete` of what is found."""

    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        taken = {value for given in ctx.params.values() for value in _texts(given)}
        return [
            CompletionItem(value, help=help_)
            for value, help_ in _found(find, ctx.params)
            if value.startswith(incomplete) and value not in taken
        ]

    return complete


def _found(find: Callable[[sojourn.Client], Found], given: dict[str, Any]) -> list[tuple[str, str]]:
    import asyncio

    import sojourn.client  # noqa: F401 - which takes its time; the server's is counted from here on

    from ._connect import connected
    from ._profiles import resolve

    found: list[tuple[str, str]] = []

    async def ask() -> None:
        async with asyncio.timeout(_SECONDS):
            server = resolve(given.get("target"), given.get("api_key"), given.get("profile"))
            async with connected(server, retry_for=_SECONDS, connect=_SECONDS / 2) as client:
                async for each in find(client):
                    found.append(each)

    with suppress(Exception):  # a completion that fails is none; what was found in time counts
        asyncio.run(ask())
    return found


def _texts(given: Any) -> list[str]:
    several = given if isinstance(given, tuple) else (given,)
    return [each for each in several if isinstance(each, str)]


async def _sessions(client: sojourn.Client) -> Found:
    async for session in client.list_sessions(limit=_MOST, consistency="eventual"):
        facts = (session.status, session.project, session.user_id, session.purpose)
        yield session.id, " ".join(" ".join(filter(None, facts)).split())[:60]


async def _templates(client: sojourn.Client) -> Found:
    async for template in client.templates(limit=_MOST):
        yield template.name, template.description


async def _pools(client: sojourn.Client) -> Found:
    for pool in await client.pools():
        yield pool.name, f"{pool.used} of {pool.size} used"


session_ids = _completer(_sessions)
template_names = _completer(_templates)
pool_names = _completer(_pools)


def profiles(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of profiles."""
    from click.shell_completion import CompletionItem

    from ._profiles import profile_names

    try:
        return [CompletionItem(name) for name in profile_names() if name.startswith(incomplete)]
    except click.ClickException:
        return []
