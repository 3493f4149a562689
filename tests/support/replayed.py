"""The recorded conversations as sessions of a server, and what their own logs say is in them."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sojourn as sdk
from sojourn.cli._replaying import Replayer, no_pace
from sojourn.cli.conversations import read_lines

from .recordings import recordings

GROUPS = 4
"""The recordings are dealt out to so many users, in two projects."""


@dataclass(frozen=True)
class Text:
    """A text of a session, as its log has it."""

    source: str
    revision: int
    words: list[str]

    def holds(self, *phrases: Sequence[str]) -> bool:
        """Whether it holds all the phrases, each a list of words that stand together."""
        return all(f" {' '.join(phrase)} " in self.line for phrase in phrases)

    @cached_property
    def line(self) -> str:
        return f" {' '.join(self.words)} "


@dataclass(frozen=True)
class Recorded:
    """A replayed conversation."""

    info: sdk.Session
    texts: list[Text]
    invocations: list[sdk.Invocation]

    def holds(self, *phrases: Sequence[str], sources: Sequence[str] = ()) -> bool:
        """Whether one of its texts holds all the phrases."""
        return any(text.holds(*phrases) for text in self.texts if not sources or text.source in sources)


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    return re.findall(r"[^\W_]+", text.casefold())


def texts_in(event: sdk.Event) -> Iterator[tuple[str, str]]:
    """The texts of an event that can be searched, with what they are."""
    for change in event.changes:
        match change:
            case sdk.MessageAppended(content=str(content)):
                yield "message", content
            case sdk.InvocationStarted(arguments=arguments) if arguments is not None:
                yield "arguments", plain(arguments)
            case sdk.InvocationFinished(result=result, error=error):
                yield "result", f"{'' if result is None else plain(result)}\n{error}"


def plain(value: Any) -> str:
    """A JSON value as text, with what its strings say instead of how JSON escapes it."""
    return re.sub(
        r"\\(?:u[0-9a-f]{4}|.)", lambda found: json.loads(f'"{found[0]}"'), json.dumps(value, ensure_ascii=False)
    )


async def replay(target: str) -> list[Recorded]:
    """The recordings as sessions; what each of them holds, newest first."""
    groups = [[] for _ in range(GROUPS)]
    for number, line in read_lines(str(recordings()), None):
        groups[number % GROUPS].append((number, line))
    async with sdk.Client(target) as client:
        for number, lines in enumerate(groups):
            labels = {"user": f"user-{number}", "project": ("travel", "support")[number % 2], "tags": tags(number)}
            replayer = Replayer(client=client, prefix="rec", name="airline", pace=no_pace, **labels)
            await replayer.run(iter(lines), concurrency=8)
            assert not replayer.tally.failures
        found = []
        for number in range(1, sum(map(len, groups)) + 1):
            session = await client.get_session(f"rec-airline-{number}")
            events = [event async for event in session.events()]
            texts = [Text(source, event.revision, words(text)) for event in events for source, text in texts_in(event)]
            found.append(Recorded(session.info, texts, [call async for call in session.invocations()]))
    return sorted(found, key=lambda each: (each.info.create_time, each.info.id), reverse=True)


def tags(group: int) -> list[str]:
    """The tags of a group's sessions."""
    return ["airline", f"group-{group}", *(["even"] if group % 2 == 0 else [])]
