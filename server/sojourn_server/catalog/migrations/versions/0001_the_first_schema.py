"""The first schema. What the tables are: `catalog/tables.py`."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
USUAL = [
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
    ("invocations", "ix_invocations_sums", "5000000 5 2 2 1 1"),
    ("invocations", "ix_invocations_by_tool", "5000000 1500000 100000 1 1 1 1 1"),
    ("invocations", "ix_invocations_by_user", "5000000 1500000 500 1 1 1"),
    ("invocations", "ix_invocations_by_project", "5000000 1500000 100000 1 1 1"),
    ("invocations", "ix_invocations_by_status", "5000000 1500000 100000 1 1 1"),
]


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("uid", sa.String(length=16), nullable=False),
        sa.Column("tenant", NAME, nullable=False),
        sa.Column("session_id", NAME, nullable=False),
        sa.Column("incarnation", sa.String(length=16), nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("user_id", NAME, nullable=False),
        sa.Column("project", NAME, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("parent", NAME, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("snapshot_path", sa.Text(), nullable=False),
        sa.Column("archive_path", sa.Text(), nullable=False),
        sa.Column("texts", sa.Integer(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("invocations", sa.Integer(), nullable=False),
        sa.Column("open_invocations", sa.Integer(), nullable=False),
        sa.Column("failed_invocations", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("logs", sa.Integer(), nullable=False),
        sa.Column("artifacts", sa.Integer(), nullable=False),
        sa.Column("steps_passed", sa.Integer(), nullable=False),
        sa.Column("steps_failed", sa.Integer(), nullable=False),
        sa.Column("steps_skipped", sa.Integer(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("total_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("info", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("tenant", "session_id", name="uq_sessions_tenant_session_id"),
        sa.UniqueConstraint("uid", name="uq_sessions_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sessions_by_parent", "sessions", ["tenant", "parent"])
    op.create_index("ix_sessions_by_project", "sessions", ["tenant", "project", "created_us", "session_id"])
    op.create_index("ix_sessions_by_status", "sessions", ["tenant", "status", "created_us", "session_id"])
    op.create_index("ix_sessions_by_tier", "sessions", ["tier", "ended_us"])
    op.create_index("ix_sessions_by_number", "sessions", ["tier", "id"])
    op.create_index("ix_sessions_by_user", "sessions", ["tenant", "user_id", "created_us", "session_id"])
    op.create_index(
        "ix_sessions_listing",
        "sessions",
        [
            "tenant",
            "created_us",
            "session_id",
            "status",
            "tier",
            "kind",
            "user_id",
            "project",
            "parent",
            "updated_us",
            "ended_us",
        ],
    )
    op.create_table(
        "templates",
        sa.Column("tenant", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name="pk_templates"),
    )
    op.create_table(
        "shards",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("incarnation", sa.String(length=16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_shards"),
    )
    op.create_table(
        "texts",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("session", ID, nullable=False),
        sa.Column("source", sa.SmallInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("search", postgresql.TSVECTOR().with_variant(sa.Text(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_texts"),
    )
    op.create_table(
        "artifacts",
        sa.Column("session", ID, autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("commit_us", sa.BigInteger(), nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name="fk_artifacts_session", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session", "revision", "position", name="pk_artifacts"),
    )
    op.create_index("ix_artifacts_sha256", "artifacts", ["sha256"])
    op.create_table(
        "events",
        sa.Column("session", ID, autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("commit_us", sa.BigInteger(), nullable=False),
        sa.Column("mask", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name="fk_events_session", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session", "revision", name="pk_events"),
    )
    op.create_table(
        "invocations",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("session", ID, nullable=False),
        sa.Column("invocation_id", NAME, nullable=False),
        sa.Column("tenant", NAME, nullable=False),
        sa.Column("session_id", NAME, nullable=False),
        sa.Column("user_id", NAME, nullable=False),
        sa.Column("project", NAME, nullable=False),
        sa.Column("tool", NAME, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("finished_us", sa.BigInteger(), nullable=True),
        sa.Column("duration_us", sa.BigInteger(), nullable=True),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name="fk_invocations_session", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_invocations"),
        sa.UniqueConstraint("session", "invocation_id", name="uq_invocations_session_invocation_id"),
    )
    op.create_index(
        "ix_invocations_by_project", "invocations", ["tenant", "project", "started_us", "session_id", "invocation_id"]
    )
    op.create_index(
        "ix_invocations_by_status", "invocations", ["tenant", "status", "started_us", "session_id", "invocation_id"]
    )
    op.create_index(
        "ix_invocations_by_tool",
        "invocations",
        ["tenant", "tool", "started_us", "session_id", "invocation_id", "status", "duration_us"],
    )
    op.create_index(
        "ix_invocations_by_user", "invocations", ["tenant", "user_id", "started_us", "session_id", "invocation_id"]
    )
    op.create_index(
        "ix_invocations_listing",
        "invocations",
        ["tenant", "started_us", "session_id", "invocation_id", "status", "tool", "duration_us", "user_id", "project"],
    )
    op.create_index(
        "ix_invocations_sums", "invocations", ["session", "tool", "status", "duration_us", "cost_micros"]
    )
    op.create_table(
        "labels",
        sa.Column("tenant", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("value_digest", sa.String(length=32), nullable=False),
        sa.Column("session", ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name="fk_labels_session", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant", "key", "value_digest", "session", name="pk_labels"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_labels_session", "labels", ["session"])
    op.create_table(
        "messages",
        sa.Column("session", ID, autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sa.Column("tool_name", sa.Text(), nullable=False),
        sa.Column("invocation_id", NAME, nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name="fk_messages_session", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session", "revision", "position", name="pk_messages"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "steps",
        sa.Column("session", ID, autoincrement=False, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=True),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name="fk_steps_session", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session", "name", "run", name="pk_steps"),
    )
    op.create_table(
        "tags",
        sa.Column("tenant", NAME, nullable=False),
        sa.Column("tag", NAME, nullable=False),
        sa.Column("session", ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name="fk_tags_session", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant", "tag", "session", name="pk_tags"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tags_session", "tags", ["session"])

    if op.get_bind().dialect.name == "postgresql":
        _for_postgresql()
    else:
        _for_sqlite()


def _for_postgresql() -> None:
    # Merging additions into the index many at a time takes a third of the time that each by itself takes. Every search
    # reads the list of those that are pending, so it is short (in KiB).
    op.execute("CREATE INDEX ix_texts_search ON texts USING gin (search) WITH (gin_pending_list_limit = 512)")
    op.execute(
        "CREATE FUNCTION sojourn_remove_texts() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM texts WHERE id >= (old.id << 32) AND id < ((old.id + 1) << 32); RETURN old; END'"
    )
    op.execute(
        "CREATE TRIGGER sessions_removed BEFORE DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION sojourn_remove_texts()"
    )


def _for_sqlite() -> None:
    # The index keeps no copy of what it indexes. To remove a text from it, it must be told the same words again, and
    # those begin with the tenant's: so a session's texts go before the session does.
    op.execute("CREATE VIRTUAL TABLE texts_index USING fts5(words, content='', columnsize=0, tokenize='ascii')")
    words = "sojourn_words((SELECT tenant FROM sessions WHERE id = old.session), old.content)"
    op.execute(
        "CREATE TRIGGER texts_removed AFTER DELETE ON texts BEGIN"
        f" INSERT INTO texts_index(texts_index, rowid, words) VALUES ('delete', old.id, {words}); END"
    )
    op.execute(
        "CREATE TRIGGER sessions_removed BEFORE DELETE ON sessions BEGIN"
        " DELETE FROM texts WHERE id >= (old.id << 32) AND id < ((old.id + 1) << 32); END"
    )
    # Without statistics SQLite takes every condition for equally good; with those of ANALYZE it would take a status for
    # as good as it is on average. So it is told once what is usual: rows, and rows alike in 1, 2, ... columns.
    op.execute("ANALYZE sqlite_master")
    for table, index, usual in USUAL:
        row = {"table": table, "index": index, "usual": usual}
        op.execute(sa.text("INSERT INTO sqlite_stat1 VALUES (:table, :index, :usual)").bindparams(**row))


def downgrade() -> None:
    raise NotImplementedError("there is nothing before the first schema")
