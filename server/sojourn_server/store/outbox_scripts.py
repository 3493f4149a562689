"""The scripts of the outbox, bound by name."""

from __future__ import annotations

from .scripts import Script

OUTBOX = Script("outbox", keys=("dirty", "projector"), args=("name", "worker", "worker_ms", "count"))
PROJECTED = Script("projected", keys=("head", "events", "dirty"), args=("member", "uid", "revision", "keep", "gone"))
