"""The scripts of scopes, of rates and of who occupies what, bound by name."""

from __future__ import annotations

from .scripts import Script

_SCOPE = ("scope", "turns", "waiting", "free", "lease")

TAKE = Script(
    "take",
    keys=_SCOPE,
    args=("path", "holder", "pool", "limit", "rank", "user", "lease_ms", "wait", "max_queued"),
)
RELEASE = Script("release", keys=_SCOPE, args=("path", "holder", "pool", "limit", "lapsed"))
SET_POOL = Script("set_pool", keys=_SCOPE, args=("path", "new_size", "pool", "limit", "holder"))
POOL = Script("pool", keys=("scope", "waiting"), args=("path",))
REGISTER_POOL = Script("register_pool", keys=("registry",), args=("name", "pool", "there"))
POOLS = Script("pools", keys=("registry",), args=("name",))
SPEND = Script("spend", keys=("bucket",), args=("name", "rate", "burst"))
CONNECTED = Script("connected", keys=("connections", "workers"), args=("name", "worker", "lease_ms"))
ENROLL = Script("enroll", keys=("places",), args=("name", "session_id", "limit", "grace_ms", "count"))
WITHDRAW = Script("withdraw", keys=("places",), args=("name",))
