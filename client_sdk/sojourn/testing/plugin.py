"""A pytest plugin, found by pytest wherever Sojourn is installed: a fixture, and runs as sessions (`pytest --sojourn`).

Unused, it costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of recorded runs; docs/pytest.md describes them."""
    group = parser.getgroup("sojourn", "recording the run as a session of Sojourn")
    group.addoption("--sojourn", action="store_true", help="record the run as a session, each test as a step")
    group.addoption(
        "--sojourn-session",
        metavar="ID",
        help="record in this session: go on where it stopped, leaving out what passed; made when there is none",
    )
    group.addoption(
        "--sojourn-target", metavar="HOST:PORT", help="the server (else SOJOURN_TARGET, else one that is found)"
    )
    group.addoption("--sojourn-tag", metavar="TAG", action="append", help="a tag of the session; repeatable")
    group.addoption(
        "--sojourn-baseline",
        metavar="ID",
        help="compare with this session at the end; `last`: the project's run before",
    )
    parser.addini(
        "sojourn_target", "the server to record to when neither option nor SOJOURN_TARGET names one", default=""
    )
    parser.addini("sojourn_project", "project of the sessions (default: name of the root directory)", default="")
    parser.addini("sojourn_tags", "tags of the sessions", type="args")
    parser.addini(
        "sojourn_dir", "where undelivered runs, and a server of the project's own, are kept", default=".sojourn"
    )
    parser.addini("sojourn_output_limit", "most bytes of captured output kept for each test", default="32768")
    parser.addini("sojourn_wait", "most seconds to wait at the end for the delivery", default="10")


def pytest_configure(config: pytest.Config) -> None:
    """Nothing is imported for runs that are not recorded."""
    wanted = ("sojourn", "sojourn_session", "sojourn_baseline")
    if any(config.getoption(name, None) for name in wanted):
        from .recording.recorder import start_recording

        start_recording(config)


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
