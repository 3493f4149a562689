"""The catalog's tables. Times are microseconds since the epoch by the store's clock; JSON rests as text.

A session is named by its uid everywhere but in `sessions`: ids may be used again after a deletion, uids never are. What
a table holds of a session is a function of its events, so storing an event twice changes nothing.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
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
)

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


def _uid(*, primary_key: bool = True) -> Column[str]:
    return Column("uid", String(16), ForeignKey("sessions.uid", ondelete="CASCADE"), primary_key=primary_key)


sessions = Table(
    "sessions",
    metadata,
    Column("uid", String(16), primary_key=True),
    Column("tenant", String(128), nullable=False),
    Column("session_id", String(128), nullable=False),
    Column("incarnation", String(16), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("user_id", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("parent", String(128), nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("error", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("tier", SmallInteger, nullable=False),
    Column("snapshot_path", Text, nullable=False),
    Column("archive_path", Text, nullable=False),
    Column("info", Text, nullable=False),  # timeouts, counters, usage, tools, steps, metadata: one JSON object
    UniqueConstraint("tenant", "session_id"),
    Index(None, "tenant", "created_us", "session_id"),
    Index(None, "tenant", "user_id", "created_us", "session_id"),
    Index(None, "tenant", "project", "created_us", "session_id"),
    Index(None, "tenant", "status", "created_us", "session_id"),
    Index(None, "tenant", "parent"),
    Index(None, "tier", "ended_us"),
)

tags = Table(
    "tags",
    metadata,
    _uid(),
    Column("tag", String(64), primary_key=True),
    Index(None, "tag", "uid"),
)

labels = Table(  # the session's metadata, for equality; the values themselves are in sessions.info
    "labels",
    metadata,
    _uid(),
    Column("key", Text, primary_key=True),
    Column("value_digest", String(32), nullable=False),
    Index(None, "key", "value_digest", "uid"),
)

events = Table(
    "events",
    metadata,
    _uid(),
    Column("revision", BigInteger, primary_key=True),
    Column("commit_us", BigInteger, nullable=False),
    Column("mask", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    _uid(),
    Column("revision", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("role", SmallInteger, nullable=False),
    Column("tool_name", Text, nullable=False),
    Column("invocation_id", Text, nullable=False),
)

invocations = Table(
    "invocations",
    metadata,
    _uid(),
    Column("invocation_id", Text, primary_key=True),
    Column("tool", Text, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("finished_us", BigInteger),
    Column("duration_us", BigInteger),
    Column("cost_micros", BigInteger, nullable=False),
    Column("arguments", Text),
    Column("result", Text),
    Column("error", Text, nullable=False),
    Index(None, "tool", "started_us"),
    Index(None, "started_us"),
)

steps = Table(
    "steps",
    metadata,
    _uid(),
    Column("name", Text, primary_key=True),
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
    _uid(),
    Column("name", Text, primary_key=True),
    Column("revision", BigInteger, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("phase", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Index(None, "sha256"),
)

texts = Table(  # what full-text search looks through; the index over it is made by the migration, per engine
    "texts",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    _uid(primary_key=False),
    Column("revision", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("source", SmallInteger, nullable=False),
    Column("content", Text, nullable=False),
    UniqueConstraint("uid", "revision", "position", "source"),
)

templates = Table(
    "templates",
    metadata,
    Column("tenant", String(128), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("created_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
