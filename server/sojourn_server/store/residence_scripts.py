"""The scripts of coming and going between tiers, bound by name."""

from __future__ import annotations

from .scripts import Script

ADOPT = Script(
    "adopt",
    keys=(
        "head", "events", "requests", "queue", "lease", "tombstone", "retired", "idempotency", "by_creation", "due",
        "dirty", "log", "shard_incarnation",
    ),
    args=(
        "member", "session_id", "uid", "own_incarnation", "base", "base_us", "lost", "active", "idle_ms", "life_ms",
        "created_us", "bytes", "with_event", "fingerprint", "retention", "mask", "body", "channel", "inline_limit",
        "log_length", "n_sets", "n_stamps",
    ),
)  # fmt: skip
RETIRE = Script(
    "retire",
    keys=(
        "head", "events", "requests", "queue", "tombstone", "retired", "by_creation", "due", "dirty", "log",
        "elsewhere",
    ),
    args=(
        "member", "session_id", "expected_uid", "expected_revision", "retention", "channel", "log_length", "bit1",
        "bit2", "bit3", "bit4",
    ),
)  # fmt: skip
ELSEWHERE = Script("elsewhere", keys=("elsewhere",), args=("name",))
LEARN = Script("learn", keys=("elsewhere",), args=("name",))
