"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("uid", sa.String(length=16), nullable=False),
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("session_id", sa.String(length=128), nullable=False),
        sa.Column("incarnation", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("parent", sa.String(length=128), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("snapshot_path", sa.Text(), nullable=False),
        sa.Column("archive_path", sa.Text(), nullable=False),
        sa.Column("info", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_sessions")),
        sa.UniqueConstraint("tenant", "session_id", name=op.f("uq_sessions_tenant_session_id")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sessions_tenant_created_us_session_id"), ["tenant", "created_us", "session_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_sessions_tenant_parent"), ["tenant", "parent"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_sessions_tenant_project_created_us_session_id"),
            ["tenant", "project", "created_us", "session_id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_sessions_tenant_status_created_us_session_id"),
            ["tenant", "status", "created_us", "session_id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_sessions_tenant_user_id_created_us_session_id"),
            ["tenant", "user_id", "created_us", "session_id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_sessions_tier_ended_us"), ["tier", "ended_us"], unique=False)

    op.create_table(
        "templates",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name=op.f("pk_templates")),
    )
    op.create_table(
        "artifacts",
        sa.Column("uid", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["uid"], ["sessions.uid"], name=op.f("fk_artifacts_uid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("uid", "name", "revision", name=op.f("pk_artifacts")),
    )
    with op.batch_alter_table("artifacts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_artifacts_sha256"), ["sha256"], unique=False)

    op.create_table(
        "events",
        sa.Column("uid", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("commit_us", sa.BigInteger(), nullable=False),
        sa.Column("mask", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["uid"], ["sessions.uid"], name=op.f("fk_events_uid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("uid", "revision", name=op.f("pk_events")),
    )
    op.create_table(
        "invocations",
        sa.Column("uid", sa.String(length=16), nullable=False),
        sa.Column("invocation_id", sa.Text(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("finished_us", sa.BigInteger(), nullable=True),
        sa.Column("duration_us", sa.BigInteger(), nullable=True),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["uid"], ["sessions.uid"], name=op.f("fk_invocations_uid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("uid", "invocation_id", name=op.f("pk_invocations")),
    )
    with op.batch_alter_table("invocations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invocations_started_us"), ["started_us"], unique=False)
        batch_op.create_index(batch_op.f("ix_invocations_tool_started_us"), ["tool", "started_us"], unique=False)

    op.create_table(
        "labels",
        sa.Column("uid", sa.String(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value_digest", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["uid"], ["sessions.uid"], name=op.f("fk_labels_uid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("uid", "key", name=op.f("pk_labels")),
    )
    with op.batch_alter_table("labels", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_labels_key_value_digest_uid"), ["key", "value_digest", "uid"], unique=False
        )

    op.create_table(
        "messages",
        sa.Column("uid", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sa.Column("tool_name", sa.Text(), nullable=False),
        sa.Column("invocation_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["uid"], ["sessions.uid"], name=op.f("fk_messages_uid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("uid", "revision", "position", name=op.f("pk_messages")),
    )
    op.create_table(
        "steps",
        sa.Column("uid", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=True),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["uid"], ["sessions.uid"], name=op.f("fk_steps_uid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("uid", "name", "run", name=op.f("pk_steps")),
    )
    op.create_table(
        "tags",
        sa.Column("uid", sa.String(length=16), nullable=False),
        sa.Column("tag", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["uid"], ["sessions.uid"], name=op.f("fk_tags_uid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("uid", "tag", name=op.f("pk_tags")),
    )
    with op.batch_alter_table("tags", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tags_tag_uid"), ["tag", "uid"], unique=False)

    op.create_table(
        "texts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("uid", sa.String(length=16), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("source", sa.SmallInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["uid"], ["sessions.uid"], name=op.f("fk_texts_uid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_texts")),
        sa.UniqueConstraint(
            "uid", "revision", "position", "source", name=op.f("uq_texts_uid_revision_position_source")
        ),
    )
    if op.get_bind().dialect.name == "postgresql":
        # A tsvector holds at most 1 MiB: of longer texts the beginning is searched.
        op.execute(
            "ALTER TABLE texts ADD COLUMN search tsvector"
            " GENERATED ALWAYS AS (to_tsvector('simple', left(content, 100000))) STORED"
        )
        op.execute("CREATE INDEX ix_texts_search ON texts USING gin (search)")
    else:
        op.execute(
            "CREATE VIRTUAL TABLE texts_index USING fts5("
            "content, content='texts', content_rowid='id', tokenize='unicode61 remove_diacritics 2')"
        )
        op.execute(
            "CREATE TRIGGER texts_added AFTER INSERT ON texts BEGIN"
            " INSERT INTO texts_index(rowid, content) VALUES (new.id, new.content); END"
        )
        op.execute(
            "CREATE TRIGGER texts_removed AFTER DELETE ON texts BEGIN"
            " INSERT INTO texts_index(texts_index, rowid, content) VALUES ('delete', old.id, old.content); END"
        )


def downgrade() -> None:
    raise NotImplementedError("there is nothing before the first schema")
