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
    try:
        _deliver(directory, base)
    except BaseException as error:
        _tell(directory, f"{type(error).__name__} in the courier: {error}")
        raise


def _deliver(directory: str, base: str) -> None:
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


def _tell(directory: str, text: str) -> None:
    """What `State` would, when it may be what cannot be imported."""
    import json

    try:
        with open(os.path.join(directory, "state.json"), "w") as file:
            json.dump({"phase": "away", "text": text, "final": True}, file)
    except OSError:
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
