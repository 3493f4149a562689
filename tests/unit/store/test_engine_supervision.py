"""What the supervisor decides and says."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from sojourn_server.store.engine import disk_full, restart_delay
from sojourn_server.store.engine_process import describe_exit

Usage = namedtuple("Usage", "total used free")


def test_the_first_restart_is_at_once_and_later_ones_back_off():
    assert [restart_delay(deaths) for deaths in range(1, 9)] == [0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    assert restart_delay(10_000) == 5.0


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit code 0"),
        (1, "exit code 1"),
        (-15, "killed by SIGTERM"),
        (-9, "killed by SIGKILL (by hand, or by the system for want of memory)"),
        (-250, "killed by signal 250"),
    ],
)
def test_an_exit_in_words(code, words):
    assert describe_exit(code) == words


def test_a_full_disk_is_named_from_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 30, 1 << 30, 4096))
    assert f"the disk that holds {tmp_path} is full (4096 bytes free)" in disk_full(tmp_path, "")


def test_a_full_disk_is_named_from_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 40, 1, 1 << 39))
    assert disk_full(tmp_path, "Error writing to the AOF file: No space left on device") is not None
    assert disk_full(tmp_path, "Bad file format reading the append only file") is None


def test_a_disk_that_cannot_be_asked_is_not_called_full():
    assert disk_full(Path("/does/not/exist"), "") is None
