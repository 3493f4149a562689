"""A process that owns an embedded engine, to be killed.

`python -m tests.support.engine_owner DATA_DIR|ephemeral [uvloop]`

Writes one JSON line {"pid", "url"} once the engine serves; ends when its stdin does.
"""

import asyncio
import json
import sys
from pathlib import Path

from sojourn_server.store.data_dir import DataDir
from sojourn_server.store.engine import EmbeddedEngine


async def own(directory: str) -> None:
    held = None if directory == "ephemeral" else DataDir.open(Path(directory), listen="127.0.0.1:7431")
    async with EmbeddedEngine(held) as engine:
        sys.stdout.write(json.dumps({"pid": engine.pid, "url": engine.url}) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    if "uvloop" in sys.argv[2:]:
        import uvloop

        uvloop.run(own(sys.argv[1]))
    else:
        asyncio.run(own(sys.argv[1]))
