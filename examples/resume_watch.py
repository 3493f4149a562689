"""A watcher that survives its own restarts: it keeps its cursor in a file and goes on there.

python examples/resume_watch.py SESSION_ID CURSOR_FILE [HOST:PORT]

No event is missed. Killed between handling an event and keeping its cursor, it handles that one event again: to exclude
that, keep the cursor in the same transaction as what the handling writes. Ends when the session has ended.
"""

import asyncio
import sys
from pathlib import Path

import sojourn


def load(file: Path) -> str | int:
    """The cursor kept last; 0, the place before the first event, when there is none."""
    return file.read_text() if file.exists() else 0


def save(file: Path, cursor: str) -> None:
    """Keep a cursor; the file never holds half of one."""
    draft = file.with_suffix(".new")
    draft.write_text(cursor)
    draft.replace(file)


async def main(session_id: str, file: Path, target: str) -> None:
    async with sojourn.Client(target) as client:
        async for event in client.session(session_id).watch(after=load(file)):
            print(event.revision, ", ".join(change.kind for change in event.changes), flush=True)
            save(file, event.cursor)
            if any(isinstance(change, sojourn.StatusChanged) for change in event.changes):
                return


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "localhost:7431"))
