"""Fills a catalog with made-up sessions and times what people ask of it.

`python -m bench.catalog_load sqlite:////tmp/catalog.db --sessions 100000`: fills the catalog unless it has so many
sessions already, then times pages, filters and searches.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.results import percentile
from sojourn.v1 import event_pb2
from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.catalog.engine import open_engine
from sojourn_server.catalog.migrating import migrate
from sojourn_server.domain.changes import ChangeKind, InvocationStatus, kind_mask
from sojourn_server.domain.events import StoredEvent
from sojourn_server.domain.filters import SessionFilter
from sojourn_server.domain.session import Session, SessionKey, SessionStatus, Tier
from sojourn_server.ports.catalog import InvocationFilter, Projection
from sojourn_server.ports.outbox import Standing
from sojourn_server.rpc.details import details

TENANT = "default"
BATCH = 100
"""Sessions of a transaction."""
BEGAN_US = 1_750_000_000_000_000
STATUSES = (
    [SessionStatus.COMPLETED] * 88 + [SessionStatus.FAILED] * 8 + [SessionStatus.ABANDONED] * 3 + [SessionStatus.ACTIVE]
)
TOOLS = [f"tool_{name}" for name in ("search", "read_file", "write_file", "shell", "browser", "sql", "mail", "deploy")]


class Dataset:
    """Made-up sessions, the same for the same seed. Words are as frequent as in a language: few make up most of a text.

    Args:
        messages: of each session; every fifth comes from a tool.
    """

    def __init__(self, sessions: int, messages: int = 20, seed: int = 7) -> None:
        self.sessions = sessions
        self.messages = messages
        self._random = random.Random(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self.words = ["".join(self._random.choices(letters, k=self._random.randint(3, 9))) for _ in range(30_000)]
        self._weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(self.words))))
        # Sentences are drawn from a pool: choosing every word anew takes longer than storing it.
        self._texts = [self._text(self._random.choice((8, 20, 40, 80))) for _ in range(20_000)]

    def projections(self) -> Iterator[list[Projection]]:
        """All sessions, in batches."""
        numbers = iter(range(self.sessions))
        while batch := list(itertools.islice(numbers, BATCH)):
            yield [self._projection(number) for number in batch]

    def _text(self, count: int) -> str:
        return " ".join(self._random.choices(self.words, cum_weights=self._weights, k=count)).capitalize() + "."

    def _projection(self, number: int) -> Projection:
        choose = self._random
        us = BEGAN_US + number * 60_000_000 + choose.randrange(1_000_000)
        status = choose.choice(STATUSES)
        session = Session(
            f"s-{number:08d}", f"{number:016x}", "00000000000000aa",
            kind=choose.choice(("session", "session", "qa")), user_id=f"user-{int(choose.paretovariate(0.7)) % 5000}",
            project=f"project-{choose.randrange(20)}", purpose=choose.choice(self._texts)[:60], status=status,
            revision=self.messages + 1, created_us=us, updated_us=us + self.messages * 2_000_000,
            ended_us=None if status is SessionStatus.ACTIVE else us + self.messages * 2_000_000,
            parent=f"s-{number - 1:08d}" if number % 100 == 99 else "",
            tags=sorted({f"tag-{int(choose.paretovariate(0.5)) % 1000}" for _ in range(3)}),
            metadata={"build": b"%d" % (number // 50), "environment": choose.choice((b'"test"', b'"live"'))},
            counters={"messages": self.messages, "invocations": self.messages // 5},
            usage={"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500, "cost_micros": 42},
        )  # fmt: skip
        events = [self._event(session, revision) for revision in range(1, self.messages + 2)]
        return Projection(TENANT, session, events, [details(event.body) for event in events])

    def _event(self, session: Session, revision: int) -> StoredEvent:
        event, kinds = event_pb2.Event(), [ChangeKind.MESSAGE_APPENDED]
        if revision == 1:
            kinds = [ChangeKind.SESSION_CREATED]
            event.changes.add().session_created.purpose = session.purpose
        elif revision % 5 == 0:
            self._invocation(event, revision)
            kinds += [ChangeKind.INVOCATION_STARTED, ChangeKind.INVOCATION_FINISHED]
        else:
            message = event.changes.add().message_appended
            message.role = event_pb2.MESSAGE_ROLE_USER if revision % 2 else event_pb2.MESSAGE_ROLE_ASSISTANT
            message.content = self._random.choice(self._texts)
        us = session.created_us + revision * 2_000_000
        body = event.SerializeToString()
        return StoredEvent(session.id, session.uid, session.incarnation, revision, us, revision, kind_mask(kinds), body)

    def _invocation(self, event: event_pb2.Event, revision: int) -> None:
        text, failed = self._random.choice(self._texts), self._random.random() < 0.05
        started = event.changes.add().invocation_started
        started.invocation_id, started.tool = f"call-{revision}", self._random.choice(TOOLS)
        started.arguments.json = json.dumps({"path": f"/data/{text[:8]}", "limit": revision}).encode()
        finished = event.changes.add().invocation_finished
        finished.invocation_id, finished.tool = started.invocation_id, started.tool
        finished.status = event_pb2.INVOCATION_STATUS_FAILED if failed else event_pb2.INVOCATION_STATUS_SUCCEEDED
        finished.duration.FromMilliseconds(int(self._random.expovariate(1 / 500)))
        finished.result.json = json.dumps({"ok": not failed, "text": text}).encode()
        message = event.changes.add().message_appended
        message.role, message.tool_name, message.content = event_pb2.MESSAGE_ROLE_TOOL, started.tool, text


async def load(catalog: SqlCatalog, dataset: Dataset, progress: Callable[[int], None] = lambda done: None) -> float:
    """Stores the dataset as the projector does; returns seconds."""

    async def standings(keys: Sequence[SessionKey]) -> list[Standing]:
        return [Standing(f"{int(key.session_id[2:]):016x}", "") for key in keys]

    begun, done = time.perf_counter(), 0
    for projections in dataset.projections():
        await catalog.project(projections, standings)
        done += len(projections)
        progress(done)
    return time.perf_counter() - begun


@dataclass(frozen=True)
class Question:
    """Something people ask of a catalog; `ask` returns how many answers there are."""

    name: str
    ask: Callable[[], Awaitable[int]]


def questions(catalog: SqlCatalog, dataset: Dataset) -> list[Question]:
    """What is timed."""
    middle_us = BEGAN_US + dataset.sessions // 2 * 60_000_000
    end_us = BEGAN_US + dataset.sessions * 60_000_000
    words, failed = dataset.words, frozenset({SessionStatus.FAILED})
    filters = {
        "all": SessionFilter(),
        "user with few sessions": SessionFilter(user_id="user-1234"),
        "user with most sessions": SessionFilter(user_id="user-1"),
        "project": SessionFilter(project="project-3"),
        "status rare": SessionFilter(statuses=frozenset({SessionStatus.ACTIVE})),
        "status common": SessionFilter(statuses=frozenset({SessionStatus.COMPLETED})),
        "two statuses": SessionFilter(statuses=frozenset({SessionStatus.COMPLETED, SessionStatus.FAILED})),
        "kind": SessionFilter(kind="qa"),
        "parent": SessionFilter(parent="s-00000098"),
        "tag common": SessionFilter(all_tags=frozenset({"tag-1"})),
        "tag rare": SessionFilter(all_tags=frozenset({"tag-777"})),
        "two tags": SessionFilter(all_tags=frozenset({"tag-1", "tag-5"})),
        "any of two tags": SessionFilter(any_tags=frozenset({"tag-500", "tag-600"})),
        "metadata rare": SessionFilter(metadata={"build": b"77"}),
        "metadata common": SessionFilter(metadata={"environment": b'"live"'}),
        "created in an hour": SessionFilter(created_from_us=middle_us, created_before_us=middle_us + 3_600_000_000),
        "updated long ago": SessionFilter(updated_from_us=1, updated_before_us=BEGAN_US + 600_000_000),
        "ended long ago": SessionFilter(ended_from_us=1, ended_before_us=BEGAN_US + 600_000_000),
        "ended lately": SessionFilter(ended_from_us=end_us - 3_600_000_000),
        "tier without any": SessionFilter(tiers=frozenset({Tier.ARCHIVE})),
        "project, status, kind": SessionFilter(project="project-3", statuses=failed, kind="qa"),
        "project, tag": SessionFilter(project="project-3", all_tags=frozenset({"tag-9"})),
        "user, status, metadata": SessionFilter(user_id="user-1", statuses=failed, metadata={"build": b"77"}),
        "nothing matches": SessionFilter(kind="none", statuses=failed),
        "text rare": SessionFilter(text=words[10_000]),
        "text usual": SessionFilter(text=words[1_000]),
        "text common": SessionFilter(text=words[20]),
        "text usual, project": SessionFilter(text=words[1_000], project="project-3"),
    }
    searches = {
        "rare word": (words[20_000], SessionFilter()),
        "usual word": (words[1_000], SessionFilter()),
        "common word": (words[20], SessionFilter()),
        "commonest word": (words[0], SessionFilter()),
        "two words": (f"{words[50]} {words[800]}", SessionFilter()),
        "phrase": (f'"{words[3]} {words[5]}"', SessionFilter()),
        "phrase not found": (f'"{words[29_000]} {words[29_001]}"', SessionFilter()),
        "usual word, project": (words[1_000], SessionFilter(project="project-3")),
        "common word, one user": (words[20], SessionFilter(user_id="user-1234")),
        "usual word, tag": (words[1_000], SessionFilter(all_tags=frozenset({"tag-9"}))),
    }
    invocations = {
        "all": InvocationFilter(),
        "tool": InvocationFilter(tool="tool_sql"),
        "failed": InvocationFilter(statuses=frozenset({InvocationStatus.FAILED})),
        "running": InvocationFilter(running=True),
        "tool, slow": InvocationFilter(tool="tool_sql", min_duration_us=4_000_000),
        "user": InvocationFilter(user_id="user-1234"),
        "project, failed": InvocationFilter(
            project="project-3", statuses=frozenset({InvocationStatus.FAILED})
        ),
        "session": InvocationFilter(session_id="s-00000050"),
        "in an hour": InvocationFilter(started_from_us=middle_us, started_before_us=middle_us + 3_600_000_000),
    }  # fmt: skip
    found = [Question(f"list: {name}", _listing(catalog, wanted)) for name, wanted in filters.items()]
    found.append(Question("list: all, page in the middle", _listing(catalog, SessionFilter(), (middle_us, ""))))
    found += [
        Question(f"count: {name}", _counting(catalog, filters[name])) for name in ("all", "project", "tag common")
    ]
    found += [Question(f"search: {name}", _searching(catalog, *asked)) for name, asked in searches.items()]
    found += [Question(f"invocations: {name}", _invocations(catalog, wanted)) for name, wanted in invocations.items()]
    return found


def _listing(
    catalog: SqlCatalog, wanted: SessionFilter, after: tuple[int, str] | None = None
) -> Callable[[], Awaitable[int]]:
    async def ask() -> int:
        return len(await catalog.list(TENANT, wanted, after=after, count=101))

    return ask


def _counting(catalog: SqlCatalog, wanted: SessionFilter) -> Callable[[], Awaitable[int]]:
    return lambda: catalog.count(TENANT, wanted)


def _searching(catalog: SqlCatalog, query: str, wanted: SessionFilter) -> Callable[[], Awaitable[int]]:
    async def ask() -> int:
        return len(await catalog.search(TENANT, query, wanted, sources=frozenset(), offset=0, count=21))

    return ask


def _invocations(catalog: SqlCatalog, wanted: InvocationFilter) -> Callable[[], Awaitable[int]]:
    async def ask() -> int:
        return len(await catalog.invocations(TENANT, wanted, after=None, count=101))

    return ask


async def measure(question: Question, times: int = 7) -> tuple[list[float], int]:
    """Seconds of each of so many askings after a first one, and how many answers there were."""
    answers = await question.ask()
    seconds = []
    for _ in range(times):
        begun = time.perf_counter()
        await question.ask()
        seconds.append(time.perf_counter() - begun)
    return seconds, answers


async def _main(url: str, sessions: int, messages: int) -> None:
    engine = open_engine(url)
    await migrate(engine)
    catalog, dataset = SqlCatalog(engine), Dataset(sessions, messages)
    try:
        if await catalog.count(TENANT, SessionFilter()) < sessions:

            def tell(done: int) -> None:
                if done % 5000 == 0:
                    print(f"{done} sessions", flush=True)

            seconds = await load(catalog, dataset, tell)
            print(f"loaded in {seconds:.0f} s: {sessions * (messages + 1) / seconds:.0f} events/s")
        for question in questions(catalog, dataset):
            seconds_each, answers = await measure(question)
            p50, p100 = percentile(seconds_each, 0.5) * 1e3, max(seconds_each) * 1e3
            print(f"{question.name:36} {p50:8.1f} ms  (at most {p100:.1f}), {answers} answers", flush=True)
    finally:
        await engine.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.catalog_load", description=__doc__)
    parser.add_argument("url", help="sqlite:///path or postgresql://host/database")
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=20)
    options = parser.parse_args()
    asyncio.run(_main(options.url, options.sessions, options.messages))
