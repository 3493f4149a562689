"""The recorded conversations that tests use as real input. They are kept beside the project, not in it."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def recordings() -> Path:
    """The gzipped JSON lines of 100 conversations; skips the test where they are not to be had.

    They are looked for in `$SOJOURN_SHARED`, else in `../shared` beside the project.
    """
    shared = Path(os.environ.get("SOJOURN_SHARED", PROJECT.parent / "shared"))
    path = shared / "data" / "airline" / "trajectories.jsonl.gz"
    if not path.is_file():
        pytest.skip("the recorded conversations are not here: set SOJOURN_SHARED to the folder that holds data/airline")
    return path


def recorded_lines() -> list[dict[str, Any]]:
    """The recordings' lines, decoded."""
    with gzip.open(recordings(), "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
