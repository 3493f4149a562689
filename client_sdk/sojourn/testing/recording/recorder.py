"""The hooks of a recorded run, in the process that reports: pytest's own or the controller of pytest-xdist."""

from __future__ import annotations

import functools
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, cast

import pytest

from .about import metadata
from .closing import closing_lines, opening_lines
from .launch import CourierProcess
from .outcomes import TestInProgress, collected_step, collection_step
from .places import make_run_directory, remove_run
from .selection import LEFT_OUT, PASSED, Selection
from .settings import Settings
from .spool import SpoolWriter, steps_of
from .texts import bounded, step_name

_START_SECONDS = 30.0
"""How long a run that goes on waits for a server that is just starting to tell what passed."""
_FULL = 256 << 20
"""Bytes of a spool from which on tests are recorded without their output."""

P = ParamSpec("P")


def _harmless(hook: Callable[P, None]) -> Callable[P, None]:
    """A hook that does nothing once recording has failed, or in a process that a test forked, and never raises."""

    @functools.wraps(hook)
    def called(*args: P.args, **kwargs: P.kwargs) -> None:
        recorder = cast(Recorder, args[0])
        if recorder.works:
            try:
                hook(*args, **kwargs)
            except Exception as error:
                recorder.fail(error)

    return called


class Recorder:
    """Writes what becomes of each test to the run's spool."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._pid = os.getpid()
        self._given = settings.session_id is not None
        self._session_id = settings.session_id or f"pytest-{int(time.time())}-{secrets.token_hex(4)}"
        self._tests: dict[tuple[str, str], TestInProgress] = {}
        self._runs: dict[str, int] = {}
        self._broken_files: set[str] = set()
        self._known_from = ""
        self._recorded = 0
        self._left_out = 0
        self._began = False
        self._interrupted = ""
        self._crash = ""
        self._failure = ""
        self._closing: list[str] = []
        self._spool: SpoolWriter | None = None
        self._courier: CourierProcess | None = None
        self._place: Path | None = None
        self.selection = Selection(())

    @property
    def works(self) -> bool:
        """Whether this process records."""
        return not self._failure and os.getpid() == self._pid

    def fail(self, error: BaseException) -> None:
        """Record no more; the tests go on."""
        self._failure = f"recording ended: {type(error).__name__}: {error}"

    @pytest.hookimpl(tryfirst=True)
    @_harmless
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        settings = self._settings
        earlier = steps_of(settings.base, self._session_id) if self._given else {}
        recording = f"{time.time_ns():016x}-{secrets.token_hex(4)}"
        self._place = make_run_directory(settings.base, recording)
        self._spool = SpoolWriter(self._place, self._header(recording))
        self._courier = CourierProcess(self._place, settings.base, self._config.rootpath)
        if self._given:
            self._go_on(earlier, self._courier.known(max(settings.wait, _START_SECONDS)))

    def _header(self, recording: str) -> dict[str, Any]:
        settings, arguments = self._settings, self._config.invocation_params.args
        command = "pytest " + " ".join(str(argument) for argument in arguments)
        return {
            "recording": recording,
            "session": self._session_id,
            "wants_known": self._given,
            "target": settings.target,
            "data_dir": str(settings.base),
            "project": settings.project,
            "purpose": bounded(command, 4096),
            "tags": settings.tags,
            "metadata": metadata(self._config.rootpath, [str(each) for each in arguments], pytest.__version__),
            "baseline": settings.baseline,
        }

    def _go_on(self, earlier: dict[str, tuple[str, int]], known: dict[str, tuple[str, int]] | None) -> None:
        """Leave out what passed, as the server or, while that is away, the spools here know it."""
        self._known_from = "server" if known is not None else "known from here, the server is away" if earlier else ""
        steps = dict(known or {})
        for name, (status, run) in earlier.items():  # meant for another server, or not delivered yet
            if name not in steps or steps[name][1] < run:
                steps[name] = status, run
        self._runs = {name: run for name, (_, run) in steps.items()}
        self._broken_files = {name for name, (status, _) in steps.items() if status == "error" and "::" not in name}
        self.selection = Selection([name for name, (status, _) in steps.items() if status == "passed"])
        self._config.pluginmanager.register(self.selection, "sojourn-selection")

    def pytest_report_header(self) -> list[str]:
        if self._failure:
            return [f"sojourn: {self._failure}"]
        passed = len(self.selection.passed)
        return opening_lines(self._session_id, given=self._given, passed=passed, known=self._known_from)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """pytest-xdist: a worker is about to start."""
        node.workerinput[PASSED] = sorted(self.selection.passed)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """pytest-xdist: a worker has ended."""
        told = getattr(node, "workeroutput", None) or {}
        self._left_out = max(self._left_out, int(told.get(LEFT_OUT, 0)))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._begin(len(ids))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._begin(len(session.items))

    @_harmless
    def _begin(self, tests: int) -> None:
        if self._courier is not None:
            self._courier.detached()
        if tests and not self._began and self._spool is not None:
            self._began = True
            arguments = [str(argument) for argument in self._config.invocation_params.args]
            command = bounded(" ".join(arguments), 4096)
            self._spool.write({"k": "started", "tests": tests, "left_out": self.selection.left_out, "argv": command})

    @_harmless
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and self._spool is not None:
            run = self._next_run(step_name(report.nodeid or "."))
            self._spool.write(collection_step(report, run, output_limit=self._output_limit()))
            self._broken_files.discard(step_name(report.nodeid or "."))

    @_harmless
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        key = report.nodeid, str(getattr(report, "worker_id", ""))
        if report.when not in ("setup", "call", "teardown"):  # its worker crashed, which the controller does not name
            key = next((known for known in self._tests if known[0] == report.nodeid), key)
        test = self._tests.get(key)
        if test is not None and report.when == "setup" and not hasattr(report, "context"):
            self._record(key)  # it is run again, and its last run had no end
            test = None
        if test is None:
            test = self._tests[key] = TestInProgress(*key)
        if test.add(report):
            self._record(key)

    def _record(self, key: tuple[str, str]) -> None:
        test = self._tests.pop(key)
        if self._spool is not None:
            run = self._next_run(step_name(test.nodeid))
            self._spool.write(test.step(run, output_limit=self._output_limit()))
            self._recorded += 1

    def _output_limit(self) -> int:
        full = self._spool is None or self._spool.size > _FULL
        return 0 if full else self._settings.output_limit

    def _next_run(self, name: str) -> int:
        run = self._runs[name] = self._runs.get(name, 0) + 1
        return run

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        told = bounded(str(excinfo.value), 1000)
        if excinfo.type is KeyboardInterrupt or issubclass(excinfo.type, pytest.exit.Exception):
            self._interrupted = told or "interrupted"
        else:  # what pytest and pytest-xdist derive from it: files that cannot be collected, `-x`
            self._crash = told

    def pytest_internalerror(self, excrepr: object) -> None:
        self._crash = bounded(f"pytest broke: {excrepr}", 4000)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.works:
            return
        self._left_out = max(self._left_out, self.selection.left_out)
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._left_out and not self._recorded:
            session.exitstatus = pytest.ExitCode.OK
        self._finish(int(session.exitstatus))

    @_harmless
    def _finish(self, exit_status: int) -> None:
        if self._spool is None or self._courier is None:
            return
        for key, test in list(self._tests.items()):
            if test.is_over_without_teardown:
                self._record(key)
        self._mend_files()
        if not self._spool.lines:
            self._spool.remove()
            self._closing = self._nothing_recorded()
            return
        self._spool.write(
            {
                "k": "finished",
                "status": self._status(exit_status),
                "exit_status": exit_status,
                "error": self._crash or self._interrupted,
                "tests": self._recorded,
            }
        )
        self._spool.close()
        self._tell(self._courier.outcome(self._settings.wait))

    def _mend_files(self) -> None:
        """A file that could not be collected earlier in the session, and of which tests ran now, is mended."""
        seen = {name.partition("::")[0] for name in self._runs if "::" in name}
        for name in sorted(self._broken_files & seen):
            assert self._spool is not None
            self._spool.write(collected_step(name, self._next_run(name)))

    def _status(self, exit_status: int) -> str:
        if self._interrupted:
            return "cancelled"
        return "completed" if exit_status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) else "failed"

    def _nothing_recorded(self) -> list[str]:
        if not self._left_out:
            return []
        return [f"sojourn: nothing is left to run in session {self._session_id}: {self._left_out:,} passed before"]

    def _tell(self, state: dict[str, Any]) -> None:
        assert self._place is not None
        self._closing = closing_lines(self._session_id, self._recorded, state, self._settings, str(self._place))
        if state.get("phase") == "delivered":
            remove_run(self._place)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if os.getpid() == self._pid:
            for line in [f"sojourn: {self._failure}"] if self._failure else self._closing:
                terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        """For runs that end before they begin: a file that is not there, say."""
        if self.works and self._spool is not None:
            if not self._spool.lines:
                self._spool.remove()
            self._spool.close()
        if self._courier is not None:
            self._courier.detached()


def start_recording(config: pytest.Config) -> None:
    """Record this process's run, or in a worker of pytest-xdist leave out what its controller says."""
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    if workerinput is not None:
        config.pluginmanager.register(Selection(workerinput.get(PASSED, ())), "sojourn-selection")
    elif not config.option.collectonly:
        config.pluginmanager.register(Recorder(config, Settings.of(config)), "sojourn-recorder")
