"""Every test here prints its seed: `SOJOURN_TEST_SEED=... pytest ...` makes the same choices again."""

import os
import random
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def chance():
    """The test's source of chance."""
    seed = int(os.environ.get("SOJOURN_TEST_SEED", random.randrange(1 << 32)))
    print(f"SOJOURN_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def data_dir():
    """A data directory with a path short enough for the engine's socket."""
    with tempfile.TemporaryDirectory(prefix="sojourn-data-") as directory:
        yield Path(directory) / "data"
