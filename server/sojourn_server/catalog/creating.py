"""Making the newest schema in an empty database: the tables, and what SQLAlchemy has no words for.

Only databases that are there already are migrated, see https://alembic.sqlalchemy.org/en/latest/cookbook.html
("Building an Up to Date Database from Scratch").
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from .tables import metadata

_USUAL = [
    ("sessions", "ix_sessions_listing", "1000000 300000 1 1 1 1 1 1 1 1 1 1"),
    ("sessions", "ix_sessions_by_user", "1000000 300000 100 1 1"),
    ("sessions", "ix_sessions_by_project", "1000000 300000 20000 1 1"),
    ("sessions", "ix_sessions_by_status", "1000000 300000 60000 1 1"),
    ("sessions", "ix_sessions_by_parent", "1000000 300000 5"),
    ("sessions", "ix_sessions_by_tier", "1000000 500000 1"),
    ("sessions", "ix_sessions_by_number", "1000000 500000 1"),
    ("sessions", "sqlite_autoindex_sessions_1", "1000000 300000 1"),
    ("sessions", "sqlite_autoindex_sessions_2", "1000000 1"),
    ("tags", "tags", "3000000 1000000 2000 1"),
    ("tags", "ix_tags_session", "3000000 3"),
    ("labels", "labels", "3000000 1000000 100000 500 1"),
    ("labels", "ix_labels_session", "3000000 3"),
    ("invocations", "sqlite_autoindex_invocations_1", "5000000 5 1"),
    ("invocations", "ix_invocations_listing", "5000000 1500000 1 1 1 1 1 1 1 1"),
    ("invocations", "ix_invocations_by_tool", "5000000 1500000 100000 1 1 1 1 1 1 1"),
    ("invocations", "ix_invocations_by_user", "5000000 1500000 500 1 1 1"),
    ("invocations", "ix_invocations_by_project", "5000000 1500000 100000 1 1 1"),
    ("invocations", "ix_invocations_by_status", "5000000 1500000 100000 1 1 1"),
]
"""For SQLite's planner: rows of a table, and rows alike in 1, 2, ... columns of an index."""

_POSTGRESQL = [
    "CREATE FUNCTION sojourn_remove_texts() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN DELETE FROM texts WHERE id >= (old.id << 32) AND id < ((old.id + 1) << 32); RETURN old; END'",
    "CREATE TRIGGER sessions_removed BEFORE DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION sojourn_remove_texts()",
]

_SQLITE = [
    # The index keeps no copy of what it indexes. To remove a text from it, it must be told the same words again, and
    # those begin with the tenant's: so a session's texts go before the session does.
    "CREATE VIRTUAL TABLE texts_index USING fts5(words, content='', columnsize=0, tokenize='ascii')",
    "CREATE TRIGGER texts_removed AFTER DELETE ON texts BEGIN"
    " INSERT INTO texts_index(texts_index, rowid, words) VALUES ('delete', old.id,"
    " sojourn_words((SELECT tenant FROM sessions WHERE id = old.session), old.content)); END",
    "CREATE TRIGGER sessions_removed BEFORE DELETE ON sessions BEGIN"
    " DELETE FROM texts WHERE id >= (old.id << 32) AND id < ((old.id + 1) << 32); END",
    # Without statistics SQLite takes every condition for equally good; with those of ANALYZE it would take a status for
    # as good as it is on average. So it is told once what is usual.
    "ANALYZE sqlite_master",
]


def create(connection: Connection, revision: str) -> None:
    """Makes the schema, and notes that it is this revision of it."""
    metadata.create_all(connection)
    postgresql = connection.dialect.name == "postgresql"
    for statement in _POSTGRESQL if postgresql else _SQLITE:
        connection.execute(text(statement))
    if not postgresql:
        rows = [{"table": table, "index": index, "usual": usual} for table, index, usual in _USUAL]
        connection.execute(text("INSERT INTO sqlite_stat1 VALUES (:table, :index, :usual)"), rows)
        connection.execute(text("ANALYZE sqlite_master"))  # else this connection would not know of it
    # Alembic's own table, as it makes it.
    connection.execute(
        text(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) CONSTRAINT alembic_version_pkc PRIMARY KEY NOT NULL)"
        )
    )
    connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})
