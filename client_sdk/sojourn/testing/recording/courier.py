"""The courier's process: `python courier.py SPOOL_DIRECTORY BASE PACKAGES`.

Run by its path, so that nothing of size is imported before it has left the process that started it: to the tests it is
no child, so none of them counts it, waits for it or is waited for by it.
"""

import os
import sys


def main(directory: str, base: str, packages: str) -> None:
    """Deliver the spool of one run. `packages`: where the package is, should Python not find it otherwise."""
    if hasattr(os, "fork") and os.fork():
        os._exit(0)
    sys.path.append(packages)
    import asyncio
    from pathlib import Path

    from sojourn.testing.recording.carrying import Courier
    from sojourn.testing.recording.spool import Spool

    try:
        spool = Spool(Path(directory))
    except FileNotFoundError:
        return  # there is nothing to record any more
    if spool.lock():
        asyncio.run(Courier(spool, Path(base)).run())


if __name__ == "__main__":
    main(*sys.argv[1:])
