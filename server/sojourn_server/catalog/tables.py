"""The catalog's tables. Times are microseconds since the epoch by the store's clock; JSON rests as text.

A session is named by `sessions.id`, a number of the catalog's own, everywhere but in `sessions`: numbers are small, and
never used again, as a session's id may be after its deletion. What a table holds of a session is a function of its
events.

Labels that never change in a session (tenant, user, project) are repeated where an index needs them, so that a page is
read from one index, whichever engine plans it.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    any_,
    column,
    func,
    literal,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR

from ..domain.statistics import COUNTERS, STEPS, USAGE

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column of type INTEGER."""
_Name = Text().with_variant(Text(collation="C"), "postgresql")
"""Compared byte by byte, as SQLite, Python and the store do, whatever language a database is set to."""


def _session() -> Column[int]:
    return Column("session", _Id, ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)


sessions = Table(
    "sessions",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("uid", String(16), nullable=False),
    Column("tenant", _Name, nullable=False),
    Column("session_id", _Name, nullable=False),
    Column("incarnation", String(16), nullable=False),
    Column("kind", _Name, nullable=False),
    Column("user_id", _Name, nullable=False),
    Column("project", _Name, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("parent", _Name, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("error", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("tier", SmallInteger, nullable=False),
    Column("snapshot_path", Text, nullable=False),
    Column("archive_path", Text, nullable=False),
    Column("texts", Integer, nullable=False),  # how many there are
    *(Column(name, Integer, nullable=False) for name in COUNTERS + STEPS),
    *(Column(name, BigInteger, nullable=False) for name in USAGE),
    Column("info", Text, nullable=False),  # tags, metadata, timeouts, tools, steps: one JSON object
    UniqueConstraint("uid"),
    UniqueConstraint("tenant", "session_id"),
    Index("ix_sessions_by_user", "tenant", "user_id", "created_us", "session_id"),
    Index("ix_sessions_by_project", "tenant", "project", "created_us", "session_id"),
    Index("ix_sessions_by_status", "tenant", "status", "created_us", "session_id"),
    Index("ix_sessions_by_parent", "tenant", "parent"),
    Index("ix_sessions_by_tier", "tier", "ended_us"),
    Index("ix_sessions_by_number", "tier", "id"),
    # Holds what filters ask for: no combination of conditions has to look at the rows themselves.
    Index(
        "ix_sessions_listing",
        *("tenant", "created_us", "session_id", "status", "tier", "kind", "user_id", "project", "parent"),
        *("updated_us", "ended_us"),
    ),
    sqlite_autoincrement=True,
)

tags = Table(
    "tags",
    metadata,
    Column("tenant", _Name, primary_key=True),
    Column("tag", _Name, primary_key=True),
    _session(),
    Index(None, "session"),
    sqlite_with_rowid=False,
)

labels = Table(  # the session's metadata, for equality; the values themselves are in sessions.info
    "labels",
    metadata,
    Column("tenant", _Name, primary_key=True),
    Column("key", _Name, primary_key=True),
    Column("value_digest", String(32), primary_key=True),
    _session(),
    Index(None, "session"),
    sqlite_with_rowid=False,
)

events = Table(
    "events",
    metadata,
    _session(),
    Column("revision", BigInteger, primary_key=True),
    Column("commit_us", BigInteger, nullable=False),
    Column("mask", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    _session(),
    Column("revision", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("role", SmallInteger, nullable=False),
    Column("tool_name", Text, nullable=False),
    Column("invocation_id", _Name, nullable=False),
    sqlite_with_rowid=False,
)

invocations = Table(
    "invocations",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("session", _Id, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("invocation_id", _Name, nullable=False),
    Column("tenant", _Name, nullable=False),
    Column("session_id", _Name, nullable=False),
    Column("user_id", _Name, nullable=False),
    Column("project", _Name, nullable=False),
    Column("tool", _Name, nullable=False),
    Column("status", SmallInteger, nullable=False),  # 0: running
    Column("request_id", Text, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("finished_us", BigInteger),
    Column("duration_us", BigInteger),
    Column("cost_micros", BigInteger, nullable=False),
    Column("arguments", Text),
    Column("result", Text),
    Column("error", Text, nullable=False),
    UniqueConstraint("session", "invocation_id"),
    Index("ix_invocations_by_user", "tenant", "user_id", "started_us", "session_id", "invocation_id"),
    Index("ix_invocations_by_project", "tenant", "project", "started_us", "session_id", "invocation_id"),
    Index("ix_invocations_by_status", "tenant", "status", "started_us", "session_id", "invocation_id"),
    Index(
        "ix_invocations_by_tool",
        *("tenant", "tool", "started_us", "session_id", "invocation_id", "status", "duration_us"),
        *("session", "cost_micros"),  # holds what statistics sum up: they do not look at the rows themselves
    ),
    Index(
        "ix_invocations_listing",
        *("tenant", "started_us", "session_id", "invocation_id", "status", "tool", "duration_us"),
        *("user_id", "project"),
    ),
)

steps = Table(
    "steps",
    metadata,
    _session(),
    Column("name", _Name, primary_key=True),
    Column("run", Integer, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("duration_us", BigInteger),
    Column("output", Text),
    Column("error", Text, nullable=False),
)

artifacts = Table(
    "artifacts",
    metadata,
    _session(),
    Column("revision", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("commit_us", BigInteger, nullable=False),
    Column("name", _Name, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("phase", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Index(None, "sha256"),
)

texts = Table(  # what full-text search looks through
    "texts",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),  # session << 32 | number << 3 | source
    Column("session", _Id, nullable=False),
    Column("source", SmallInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("length", Integer, nullable=False),  # of the content, in characters
    Column("content", Text, nullable=False),
    Column("search", TSVECTOR().with_variant(Text, "sqlite")),  # PostgreSQL's; SQLite has `texts_index`
    # Merging additions into the index many at a time takes a third of the time that each by itself takes. Every search
    # reads the list of those that are pending, so it is short (in KiB).
    Index("ix_texts_search", "search", postgresql_using="gin", postgresql_with={"gin_pending_list_limit": 512}).ddl_if(
        dialect="postgresql"
    ),
)
"""A session numbers its texts: an id tells which session a text is of and what it is, so that counting sessions looks
nowhere else; and the newest texts of the newest sessions have the highest ids. They go with their session by a trigger
that `creating` makes."""

texts_index = table("texts_index", column("texts_index"), column("rowid", BigInteger), column("words"))
"""SQLite's full-text index, made by `creating`; its rowids are the ids of texts. It keeps no copy of the words: a
trigger removes those of texts that go."""


def text_id(session: int, number: int, source: int) -> int:
    """The id of a session's text."""
    return session << 32 | number << 3 | source


def session_of_text(number: int) -> int:
    """The session that the text of this id is of."""
    return number >> 32


def source_of_text(number: int) -> int:
    """What the text of this id is."""
    return number & 7


def is_any(dialect: str, column: Column[int], numbers: Collection[int]) -> ColumnElement[bool]:
    """Whether a number is one of many: one parameter, so that it is one statement for any number of them."""
    if dialect == "postgresql":
        return column == any_(literal(list(numbers), ARRAY(BigInteger)))
    return column.in_(select(func.json_each(json.dumps(list(numbers))).table_valued("value").c.value))


shards = Table(  # how far the catalog has the commits of the active store's shards
    "shards",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("incarnation", String(16), nullable=False),
    Column("sequence", BigInteger, nullable=False),
)

templates = Table(
    "templates",
    metadata,
    Column("tenant", _Name, primary_key=True),
    Column("name", _Name, primary_key=True),
    Column("created_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
