"""The rows that events become, collected over many sessions."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Table, func, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain import details as dt
from ..domain.events import StoredEvent
from ..ports.catalog import Projection, TextSource
from . import tables as t
from .inserting import insertion
from .readable import readable
from .rows import Row, clean
from .words import MOST_CHARACTERS, indexed_words, tenant_word, words


@dataclass(slots=True)
class Known:
    """What the catalog has of a session."""

    id: int
    revision: int
    texts: int


class Details:
    """Rows of every table but `sessions` and those of its labels."""

    def __init__(self, dialect: str) -> None:
        self._invocations = Invocations(dialect)
        self._steps = Steps(dialect)
        self._rows: defaultdict[Table, list[Row]] = defaultdict(list)
        self._indexed: list[Row] = []
        self._dialect = dialect

    async def store(self, connection: AsyncConnection) -> None:
        """Adds them."""
        for table, rows in self._rows.items():
            await connection.execute(*insertion(self._dialect, table, rows))
        if self._indexed:
            await connection.execute(insert(t.texts_index), self._indexed)
        await self._invocations.store(connection)
        await self._steps.store(connection)

    def collect(self, projection: Projection, known: Known) -> None:
        """Adds what the catalog does not have yet; `known.texts` counts on."""
        for event, details in zip(projection.events, projection.details, strict=True):
            if event.revision > known.revision:
                self._event(projection, known, event)
                for position, detail in enumerate(details):
                    self._detail(projection, known, event, position, detail)

    def _event(self, projection: Projection, known: Known, event: StoredEvent) -> None:
        self._rows[t.events].append(
            {
                "session": known.id, "revision": event.revision, "commit_us": event.commit_us, "mask": event.mask,
                "body": event.body,
            }
        )  # fmt: skip

    def _detail(self, p: Projection, known: Known, event: StoredEvent, position: int, detail: dt.Detail) -> None:
        place = {"session": known.id, "revision": event.revision, "position": position}
        text, source = "", TextSource.MESSAGE
        match detail:
            case dt.MessageDetail():
                self._rows[t.messages].append(
                    place | {
                        "role": int(detail.role), "tool_name": clean(detail.tool_name),
                        "invocation_id": clean(detail.invocation_id),
                    }
                )  # fmt: skip
                text = detail.content
            case dt.StartDetail():
                self._invocations.started(p, known.id, detail, event.commit_us)
                text, source = readable(detail.arguments), TextSource.ARGUMENTS
            case dt.FinishDetail():
                self._invocations.finished(p, known.id, detail, event.commit_us)
                text, source = "\n".join(filter(None, [readable(detail.result), detail.error])), TextSource.RESULT
            case dt.StepDetail():
                self._steps.add(known.id, event.revision, detail)
            case dt.ArtifactDetail():
                self._rows[t.artifacts].append(place | {"commit_us": event.commit_us} | _artifact(detail))
            case dt.LogDetail():
                text, source = detail.text, TextSource.LOG
            case dt.PurposeDetail():
                text, source = detail.purpose, TextSource.PURPOSE
        if text:
            self._text(p.tenant, known, place, source, clean(text[:MOST_CHARACTERS]))

    def _text(self, tenant: str, known: Known, place: Row, source: TextSource, content: str) -> None:
        number = t.text_id(known.id, known.texts, source)
        row = place | {"id": number, "source": int(source), "length": len(content), "content": content}
        if self._dialect == "sqlite":
            self._indexed.append({"rowid": number, "words": indexed_words(tenant, content)})
        else:
            row["search"] = _vector(tenant, content)
        known.texts += 1
        self._rows[t.texts].append(row)


class Invocations:
    """Invocations, in the order in which they started and ended. One that is started anew begins anew."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._begun: dict[tuple[int, str], Row] = {}
        self._ended: dict[tuple[int, str], Row] = {}

    def started(self, p: Projection, session: int, detail: dt.StartDetail, us: int) -> None:
        """Notes a start."""
        row = _invocation(p, session, detail.invocation_id, detail.tool, us) | {
            "request_id": clean(detail.request_id), "arguments": _cleaned(detail.arguments),
        }  # fmt: skip
        self._ended.pop((session, row["invocation_id"]), None)
        self._begun[session, row["invocation_id"]] = row

    def finished(self, p: Projection, session: int, detail: dt.FinishDetail, us: int) -> None:
        """Notes an end; of one that never started it is all there is."""
        row = _invocation(p, session, detail.invocation_id, detail.tool, us)
        end = {
            "status": int(detail.status), "finished_us": us, "duration_us": detail.duration_us,
            "cost_micros": detail.cost_micros, "result": _cleaned(detail.result), "error": clean(detail.error),
        }  # fmt: skip
        begun = self._begun.get((session, row["invocation_id"]))
        if begun is None:
            self._ended[session, row["invocation_id"]] = row | end
        else:
            if detail.duration_us is None:
                end["duration_us"] = us - begun["started_us"]
            begun.update(end)

    async def store(self, connection: AsyncConnection) -> None:
        """Stores them; whatever the catalog has of an invocation that started anew is replaced."""
        begun, ended = list(self._begun.values()), list(self._ended.values())
        key = ["session", "invocation_id"]
        if begun:
            statement, parameters = insertion(self._dialect, t.invocations, begun)
            told = {name: statement.excluded[name] for name in begun[0] if name not in key}
            await connection.execute(statement.on_conflict_do_update(index_elements=key, set_=told), parameters)
        if ended:
            statement, parameters = insertion(self._dialect, t.invocations, ended)
            names = ("status", "finished_us", "cost_micros", "result", "error")
            end = {name: statement.excluded[name] for name in names}
            lasted = statement.excluded.finished_us - t.invocations.c.started_us
            end["duration_us"] = func.coalesce(statement.excluded.duration_us, lasted)
            await connection.execute(statement.on_conflict_do_update(index_elements=key, set_=end), parameters)


class Steps:
    """Steps. A run of a step that is told twice is as it was told last."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._rows: dict[tuple[int, str, int], Row] = {}

    def add(self, session: int, revision: int, detail: dt.StepDetail) -> None:
        """Notes how a run of a step ended."""
        name = clean(detail.name)
        self._rows[session, name, detail.run] = {
            "session": session, "name": name, "run": detail.run, "revision": revision, "status": int(detail.status),
            "duration_us": detail.duration_us, "output": _cleaned(detail.output), "error": clean(detail.error),
        }  # fmt: skip

    async def store(self, connection: AsyncConnection) -> None:
        """Stores them."""
        if self._rows:
            statement, parameters = insertion(self._dialect, t.steps, list(self._rows.values()))
            names = ("revision", "status", "duration_us", "output", "error")
            told = {name: statement.excluded[name] for name in names}
            key = ["session", "name", "run"]
            statement = statement.on_conflict_do_update(index_elements=key, set_=told)
            await connection.execute(statement, parameters)


def _invocation(p: Projection, session: int, invocation_id: str, tool: str, us: int) -> Row:
    """The row of an invocation that began and has not ended."""
    return {
        "session": session, "invocation_id": clean(invocation_id), "tenant": p.tenant, "session_id": p.session.id,
        "user_id": clean(p.session.user_id), "project": clean(p.session.project), "tool": clean(tool), "status": 0,
        "request_id": "", "started_us": us, "finished_us": None, "duration_us": None, "cost_micros": 0,
        "arguments": None, "result": None, "error": "",
    }  # fmt: skip


def _artifact(detail: dt.ArtifactDetail) -> Row:
    return {
        "name": clean(detail.name), "version": detail.version, "content_type": clean(detail.content_type),
        "size_bytes": detail.size_bytes, "sha256": clean(detail.sha256), "phase": clean(detail.phase),
        "labels": json.dumps(detail.labels, sort_keys=True), "uri": clean(detail.uri),
    }  # fmt: skip


def _cleaned(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _vector(tenant: str, content: str) -> str:
    """The words of a text as PostgreSQL reads them: `'word':1,5 'other':2`. It keeps 255 places of a word."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for place, word in enumerate(words(content), 1):
        if len(kept := places[word]) < 255:
            kept.append(str(place))
    return " ".join([f"'{tenant_word(tenant)}'", *(f"'{word}':{','.join(kept)}" for word, kept in places.items())])
