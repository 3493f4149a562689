"""The SDK's types: right code passes mypy --strict, and misuse is refused, line by line."""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def mypy(name: str) -> str:
    """mypy's report on a file of this folder."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", str(HERE / name)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout


def test_right_use_is_understood():
    assert mypy("usage.py") == ""


def test_misuse_is_refused():
    wanted = {
        number: set(found[1].split(", "))
        for number, line in enumerate((HERE / "misuse.py").read_text().splitlines(), start=1)
        if (found := re.search(r"# error: (.*)$", line))
    }
    got: dict[int, set[str]] = defaultdict(set)
    for line in mypy("misuse.py").splitlines():
        if found := re.search(r"misuse\.py:(\d+): error: .*\[([\w-]+)\]$", line):
            got[int(found[1])].add(found[2])
    assert dict(got) == wanted
