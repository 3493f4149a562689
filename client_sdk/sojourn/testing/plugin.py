"""A pytest plugin with one fixture, found by pytest wherever Sojourn is installed. Unused, it costs nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def sojourn_server() -> Iterator[str]:
    """Target of a private ephemeral server that lives as long as the test run; needs `sojourn[server]`."""
    from ._process import ServerProcess

    process = ServerProcess()
    process.start()
    try:
        yield process.wait_ready(timeout=30.0)
    finally:
        process.stop()
