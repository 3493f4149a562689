"""The scripts of shards that lost data, each bound once; see `store/scripts.py`."""

from __future__ import annotations

from .scripts import Script

LOOK = Script("look", keys=("shard_incarnation", "run"), args=("name",))
SETTLE = Script("settle", keys=("shard_incarnation", "run"), args=("name", "incarnation", "doubt"))
ANEW = Script("anew", keys=("shard_incarnation", "run", "elsewhere"), args=("name", "was", "proposed"))
