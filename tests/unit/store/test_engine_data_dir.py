"""The data directory's lock."""

import subprocess
import sys
from pathlib import Path

import pytest

from sojourn_server.store.data_dir import LOCK_NAME, DataDir
from sojourn_server.store.engine_errors import DataDirError, DataDirLockedError

HOLD = """
import sys, pathlib
from sojourn_server.store.data_dir import DataDir
held = DataDir.open(pathlib.Path(sys.argv[1]), listen="127.0.0.1:9")
print("held", flush=True)
sys.stdin.read()
"""


def test_it_is_created_for_one_user_alone(tmp_path):
    with DataDir.open(tmp_path / "new" / "data") as held:
        assert held.path.stat().st_mode & 0o777 == 0o700
        assert (held.path / LOCK_NAME).stat().st_mode & 0o777 == 0o600


def test_a_second_holder_is_told_who_the_first_is(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout.readline() == b"held\n"
        with pytest.raises(DataDirLockedError) as caught:
            DataDir.open(tmp_path)
        assert caught.value.holder.pid == owner.pid
        assert caught.value.holder.listen == "127.0.0.1:9"
        assert f"in use by process {owner.pid} on " in str(caught.value)
        assert "serving 127.0.0.1:9, since 20" in str(caught.value)
        owner.kill()
        owner.wait()
        DataDir.open(tmp_path).close()


def test_the_address_can_be_told_later(tmp_path):
    with DataDir.open(tmp_path, listen="127.0.0.1:0-and-something-long") as held:
        held.set_listen("127.0.0.1:7431")
        with pytest.raises(DataDirLockedError, match=r"serving 127\.0\.0\.1:7431, since"):
            DataDir.open(tmp_path)


def test_a_lock_file_without_a_name_still_locks(tmp_path):
    with DataDir.open(tmp_path):
        (tmp_path / LOCK_NAME).write_text("not JSON")
        with pytest.raises(DataDirLockedError, match="in use by another process") as caught:
            DataDir.open(tmp_path)
    assert caught.value.holder is None


def test_close_gives_it_back(tmp_path):
    held = DataDir.open(tmp_path)
    held.close()
    held.close()
    held.set_listen("ignored")
    with DataDir.open(tmp_path):
        pass


def test_a_child_does_not_inherit_the_lock(tmp_path):
    held = DataDir.open(tmp_path)
    # close_fds=False: only the descriptor's own flag keeps it from the child.
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False,
    )  # fmt: skip
    with child:
        assert child.stdout.readline() == b"up\n"
        held.close()
        with DataDir.open(tmp_path):
            assert child.poll() is None


def test_a_relative_path_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with DataDir.open(Path("here")) as held:
        assert held.path == tmp_path / "here"


def test_a_path_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataDirError, match="cannot be used"):
        DataDir.open(tmp_path / "file")
