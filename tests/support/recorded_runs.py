"""Runs of pytest as users start them, on projects made of a few lines."""

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import sojourn

from .waiting import wait_until

# No more plugins than the run is about: most of a short run is their import.
_COMMAND = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "sojourn.testing.plugin")


@dataclass(frozen=True)
class Ended:
    """A run that has ended."""

    code: int
    output: str

    @property
    def said(self) -> list[str]:
        """What the plugin told."""
        return [line.removeprefix("sojourn: ") for line in self.output.splitlines() if line.startswith("sojourn: ")]


@dataclass(frozen=True)
class Project:
    """A directory with tests."""

    root: Path
    target: str = ""
    """Where its runs are recorded, unless they say otherwise."""

    def add(self, name: str, text: str) -> None:
        (self.root / name).write_text(textwrap.dedent(text))

    def touch(self, name: str) -> None:
        """Make an empty file, which is what tests wait for."""
        (self.root / name).touch()

    @property
    def kept(self) -> list[Path]:
        """Spools of runs that were not delivered."""
        return sorted((self.root / ".sojourn").glob("pytest/*/events.jsonl"))

    async def pytest(self, *arguments: str, target: str | None = None, timeout: float = 90.0) -> Ended:
        """Runs the tests to their end, recorded."""
        async with self.running(*arguments, target=target) as process, asyncio.timeout(timeout):
            output, _ = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, output.decode(errors="replace"))

    @asynccontextmanager
    async def running(self, *arguments: str, target: str | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
        """Runs the tests beside the block; a run that is not over at its end is killed."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("SOJOURN_", "PYTEST_", "COV_"))
        }
        environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "XDG_CONFIG_HOME": str(self.root / "config")}
        if chosen := target if target is not None else self.target:
            environment["SOJOURN_TARGET"] = chosen
        process = await asyncio.create_subprocess_exec(
            *_COMMAND, "--sojourn", *arguments, cwd=self.root, env=environment,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.communicate()


def project(root: Path, target: str = "") -> Project:
    """A project without tests in a new directory."""
    root.mkdir()
    made = Project(root, target)
    made.add("pytest.ini", "[pytest]\nsojourn_wait = 60\n")  # machines under load are slow
    return made


async def steps_of(session: sojourn.SessionHandle) -> list[sojourn.StepFinished]:
    """Every step the session has recorded, in order."""
    changes = [change async for event in session.events(kinds="step_finished") for change in event.changes]
    return [change for change in changes if isinstance(change, sojourn.StepFinished)]


async def outcomes(session: sojourn.SessionHandle) -> list[tuple[str, str, int]]:
    """Name, status and run of every step the session has recorded, in order."""
    return [(step.name, step.status.value, step.run) for step in await steps_of(session)]


async def until_recorded(session: sojourn.SessionHandle, count: int) -> list[tuple[str, str, int]]:
    """Waits until the session has so many steps; see `outcomes`."""

    async def there() -> list[tuple[str, str, int]] | None:
        try:
            found = await outcomes(session)
        except (sojourn.SessionNotFoundError, sojourn.UnavailableError):
            return None
        return found if len(found) >= count else None

    found: list[tuple[str, str, int]] = await wait_until(there, timeout=60.0, description=f"{count} steps")
    return found


async def until_ended(session: sojourn.SessionHandle, status: str) -> sojourn.Session:
    """Waits until the session has ended so."""

    async def ended() -> sojourn.Session | None:
        info = await session.refresh()
        return info if info.status == status else None

    info: sojourn.Session = await wait_until(ended, timeout=60.0, description=f"the session is {status}")
    return info
