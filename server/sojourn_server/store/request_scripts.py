"""The scripts of requests and of the end of sessions, bound by name."""

from __future__ import annotations

from .scripts import Script

_KEYS = ("head", "events", "requests", "queue", "lease", "tombstone", "due", "dirty", "log")
_COMMIT = ("ended_prefix", "retention", "channel", "inline_limit", "log_length")

BEGIN = Script(
    "begin",
    keys=_KEYS,
    args=(
        "member", "request_id", "resume", "name", "priority", "policy", "exclusive", "lease_ms", "queue_ms", "wide",
        "pool", "reserved", "slot", "slot_token", "expected_revision", "required_status", "known", "label",
        "default_limit", "max_queued", *_COMMIT,
    ),
)  # fmt: skip
ADMIT = Script("admit", keys=_KEYS, args=("member", "request_id", "slot", "slot_token", "default_limit", *_COMMIT))
LEAVE = Script(
    "leave",
    keys=_KEYS,
    args=("member", "request_id", "how", "attachment", "outcome", "why", "label", "default_limit", *_COMMIT),
)
PROGRESS = Script(
    "progress",
    keys=_KEYS,
    args=("member", "request_id", "fraction", "words", "interval_ms", "default_limit", *_COMMIT),
)
REQUEST = Script(
    "request", keys=("head", "requests", "queue", "lease", "tombstone"), args=("member", "request_id", "ended_prefix")
)
REQUESTS = Script("requests", keys=("head", "requests", "queue", "lease", "tombstone"), args=("member",))
LEASES = Script("leases", keys=("lease",), args=("name",))
RENEW = Script("renew", keys=("lease",), args=("name",))
END = Script(
    "end",
    keys=(*_KEYS, "idempotency"),
    args=(
        "member", "to", "why", "label", "when", "expected_revision", "required_status", "fencing_token", "known",
        "fingerprint", "default_limit", *_COMMIT,
    ),
)  # fmt: skip
OVERDUE = Script("overdue", keys=("lease", "due", "reaper"), args=("name", "worker", "worker_ms", "count"))
