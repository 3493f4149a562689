"""A forked program finds what one that was just started finds; the rest of the tests relies on it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.piped import start_piped
from tests.support.waiting import wait_until

LOOK = """
import json, os, random, signal, sys, threading
handlers = {number: str(signal.getsignal(number)).split(" at ")[0] for number in signal.valid_signals()}
print(json.dumps({
    "arguments": sys.argv, "name": __name__, "directory": os.getcwd(), "path": sys.path,
    "environment": dict(os.environ),
    "files": sorted(os.listdir("/proc/self/fd"))[:-1], "handlers": handlers, "threads": threading.active_count(),
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "umask": os.umask(0o22), "input": sys.stdin.read(),
    "streams": [[one.encoding, one.errors, one.line_buffering, one.write_through, one.isatty(), one.fileno()]
                for one in (sys.stdin, sys.stdout, sys.stderr)],
}))
print("to you", file=sys.stderr)
"""
MODULES = ("json",)
ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not processes.forks(os.environ), reason="nothing is forked here")


@pytest.fixture
def script(tmp_path):
    def write(text):
        path = tmp_path / "script.py"
        path.write_text(text)
        return str(path)

    return write


async def fresh(*arguments, given=b"", **variables):
    program = await asyncio.create_subprocess_exec(
        sys.executable, *arguments,
        env=os.environ | variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await program.communicate(given)
    return program.returncode, out, err


async def forked(*arguments, given=b"", **variables):
    program = await start_piped(
        *arguments, of=MODULES, environment=os.environ | variables, stdin=subprocess.PIPE, limit=1 << 20
    )
    out, err = await program.communicate(given)
    return program.returncode, out, err


async def test_it_finds_what_a_fresh_one_finds(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = script(LOOK)
    code, out, err = await fresh(path, "a", "b c", given=b"given", SOJOURN_WORD="wörd")
    found = await forked(path, "a", "b c", given=b"given", SOJOURN_WORD="wörd")
    assert json.loads(found[1]) == json.loads(out)
    assert (found[0], found[2]) == (code, err) == (0, b"to you\n")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("pass", 0),
        ("import sys; sys.exit(3)", 3),
        ("raise SystemExit('so')", 1),
        ("raise ValueError('oh')", 1),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import atexit; atexit.register(print, 'last words')", 0),
    ],
)
async def test_it_ends_as_a_fresh_one_does(script, end, code):
    path = script(f"print('begun')\n{end}\n")
    expected, out, err = await fresh(path)
    found = await forked(path)
    assert found[:2] == (expected, out)
    assert expected == code
    assert found[2].splitlines()[-1:] == err.splitlines()[-1:]


async def test_modules_are_run_as_by_python():
    code, out, _ = await forked("-m", "json.tool", given=b'{"a":1}')
    assert (code, json.loads(out)) == (0, {"a": 1})


async def test_each_has_numbers_of_its_own(script):
    path = script("import random, uuid; print(random.random(), uuid.uuid4())")
    found = {(await forked(path))[1] for _ in range(3)}
    assert len(found) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
async def test_it_can_be_told_to_end_from_its_first_moment_on(script, number):
    program = processes.start(
        script("import time; time.sleep(60)"), of=MODULES, environment=os.environ,
        stdin=subprocess.DEVNULL, stdout=2, stderr=2,
    )  # fmt: skip
    program.send_signal(number)
    await wait_until(lambda: program.poll() is not None, description="it ends")
    assert program.returncode == -number


def test_what_python_reads_at_its_start_is_not_forked(monkeypatch):
    assert processes.forks(os.environ | {"SOJOURN_DATA_DIR": "x"})
    assert not processes.forks(os.environ | {"PYTHONHASHSEED": "1"})
    monkeypatch.delenv("PATH")
    assert not processes.forks(os.environ)


async def test_programs_end_with_those_who_asked_for_them(script):
    """Whoever runs tests is killed: the nursery ends, and what it forked."""
    path = script("import time; print('up', flush=True); time.sleep(60)")
    asker = f"""
import os, subprocess, sys, time
from tests.support import processes
streams = dict(stdin=subprocess.DEVNULL, stdout=1, stderr=2)
program = processes.start({path!r}, of={MODULES!r}, environment=os.environ, **streams)
print(program.pid, flush=True)
time.sleep(60)
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", asker, stdout=subprocess.PIPE, cwd=ROOT)
    lines = {await process.stdout.readline(), await process.stdout.readline()}
    assert b"up\n" in lines
    process.kill()
    # Both the nursery and the program have our end of this pipe: it closes when they are gone.
    async with asyncio.timeout(20):
        assert await process.stdout.read() == b""
    await process.wait()
