"""The scripts of the outbox, bound by name."""

from __future__ import annotations

from .scripts import Script

OUTBOX = Script("outbox", keys=("dirty", "projector"), args=("name", "worker", "worker_ms", "count"))
OUTBOX_OF = Script("outbox_of", keys=("dirty",), args=("name", "tenant"))
OUTBOX_LEAVE = Script("outbox_leave", keys=("projector",), args=("name", "worker"))
STANDING = Script("standing", keys=("head", "tombstone", "shard_incarnation"), args=("member",))
PROJECTED = Script("projected", keys=("head", "events", "dirty"), args=("member", "uid", "revision", "keep"))
FORGOTTEN = Script("forgotten", keys=("head", "tombstone", "dirty"), args=("member", "deleted"))
POSTPONE = Script("postpone", keys=("dirty",), args=("member",))
