"""The first schema. An empty database gets the newest one at once (`catalog/creating.py`), so this is never run."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    raise NotImplementedError("there is nothing before the first schema")


def downgrade() -> None:
    raise NotImplementedError("there is nothing before the first schema")
