"""`sojourn show`: one session, with its conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ._errors import CommandError, run
from ._help import command
from ._options import server_options, session_argument
from ._output import output_option, print_data

if TYPE_CHECKING:
    from sojourn import Event, Session

    from ._profiles import Server

_FOLD = 24
"""Lines of one message that are shown without --full."""


@command(
    examples=[
        "sojourn show qa-17",
        "sojourn show qa-17 --messages 10 --no-state",
        "sojourn show qa-17 --output openai > conversation.json",
    ]
)
@session_argument()
@server_options
@click.option("--events", "raw", is_flag=True, help="Show the event log as it is instead of the conversation.")
@click.option("--no-state", is_flag=True, help="Leave out the session's state.")
@click.option("--messages", "last", type=click.IntRange(min=0), metavar="N", help="Only the last N messages. [all]")
@click.option("--full", is_flag=True, help="Do not fold long messages.")
@output_option("openai")
def show(session_id: str, server: Server, raw: bool, no_state: bool, last: int | None, full: bool, output: str) -> None:
    """Show a session: its facts, its state and its conversation in order.

    JSON and YAML are one document with `session`, `messages` and `invocations` (with --events: `events`).
    `--output openai` prints the conversation as one line that `sojourn replay` reads.
    """
    run(_show(session_id, server, raw, not no_state, last, full, output), server=server)


async def _show(
    session_id: str, server: Server, raw: bool, with_state: bool, last: int | None, full: bool, output: str
) -> None:
    from ._connect import connected

    async with connected(server) as client:
        handle = await client.get_session(session_id)
        session = handle.info
        # Only up to the revision of the session just read, so that all that is shown is of one moment.
        events = [event async for event in handle.events() if event.revision <= session.revision]
    if last is not None:
        events = _from_last_messages(events, last)
    match output:
        case "openai":
            _print_openai(session, events)
        case "json" | "yaml":
            print_data(await document_of(session, events, raw=raw, with_state=with_state), output)
        case _:
            _print_table(session, events, raw=raw, with_state=with_state, fold=None if full else _FOLD)


def _from_last_messages(events: Sequence[Event], count: int) -> list[Event]:
    """The events from the one with the `count`-th last message on; none for 0, all when there are not so many."""
    left = count
    for index in range(len(events) - 1, -1, -1):
        left -= sum(change.kind == "message_appended" for change in events[index].changes)
        if left <= 0 < count:
            return list(events[index:])
    return list(events) if count else []


async def document_of(
    session: Session, events: Sequence[Event], *, raw: bool = False, with_state: bool = True
) -> dict[str, object]:  # fmt: skip
    """A session with its conversation, or with its events as they are, as a JSON document."""
    document: dict[str, object] = {
        "session": session.model_dump(mode="json", exclude=None if with_state else {"state"}),
    }
    if raw:
        document["events"] = [event.model_dump(mode="json") for event in events]
    else:
        document |= await _history(events)
    return document


async def _history(events: Sequence[Event]) -> dict[str, object]:
    """The messages and the invocations in the events."""
    from collections.abc import AsyncIterator

    from sojourn import _paging

    async def each() -> AsyncIterator[Event]:
        for event in events:
            yield event

    return {
        "messages": [message.model_dump(mode="json") async for message in _paging.messages(each(), None)],
        "invocations": [call.model_dump(mode="json") async for call in _paging.invocations(each())],
    }


def _print_openai(session: Session, events: Sequence[Event]) -> None:
    from ._output import json_line
    from .conversations import ORIGIN
    from .openai_format import messages_of, writes_in

    try:
        messages = messages_of(writes_in(events))
    except ValueError as error:
        raise CommandError(f"the conversation cannot be told in OpenAI's format: {error}") from None
    facts = {key: value for key, value in session.metadata.items() if key not in ("messages", "traj", ORIGIN)}
    click.echo(json_line({**facts, "messages": messages}))


def _print_table(session: Session, events: Sequence[Event], *, raw: bool, with_state: bool, fold: int | None) -> None:
    from ._conversation_view import print_conversation, print_events, print_header
    from ._text import console

    out = console()
    print_header(out, session, with_state=with_state)
    if raw:
        print_events(out, events)
    else:
        print_conversation(out, events, fold=fold)
