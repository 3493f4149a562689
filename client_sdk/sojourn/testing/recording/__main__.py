"""`python -m sojourn.testing.recording [ROOT]`: deliver the test runs that a project kept while its server was away."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from ...errors import SojournError
from .carrying import deliver_all
from .servers import UnresolvedError, connection


async def _deliver(base: Path, target: str | None) -> int:
    try:
        async with connection({"target": target, "data_dir": str(base)}) as connected:
            async for session_id in deliver_all(base, connected, everything=target is not None):
                print(session_id)
    except (SojournError, UnresolvedError, OSError) as error:
        print(f"not delivered: {error}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """Exit code: 0 when nothing is left that the server can take."""
    parser = argparse.ArgumentParser(prog="python -m sojourn.testing.recording", description=__doc__)
    parser.add_argument("root", nargs="?", default=".", help="the project's root directory (default: this one)")
    parser.add_argument("--dir", default=".sojourn", help="its `sojourn_dir` (default: .sojourn)")
    parser.add_argument("--target", help="the server, also for runs that were meant for another")
    chosen = parser.parse_args()
    return asyncio.run(_deliver(Path(chosen.root).absolute() / chosen.dir, chosen.target))


if __name__ == "__main__":
    sys.exit(main())
