"""Recording test runs: the parts that need no server."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.testing.recording.about import git_head, metadata
from sojourn.testing.recording.outcomes import TestInProgress as Progress
from sojourn.testing.recording.places import make_run_directory, remove_remains, remove_run, run_directories
from sojourn.testing.recording.spool import Spool, SpoolWriter, is_left_behind, steps_of
from sojourn.testing.recording.texts import NAME_BYTES, bounded, clean, step_name
from sojourn.testing.recording.writers import Writer

RECORDING = "18ea26b896d7d9c8-a25ce624"
HEADER = {"session": "run-1", "recording": RECORDING, "target": None}
ANYTHING = st.text(st.characters())  # lone surrogates and controls included


def step(name, status="passed", run=1):
    return {"k": "step", "name": name, "status": status, "run": run}


@pytest.fixture
def run(tmp_path):
    """The directory of a run."""
    return make_run_directory(tmp_path / "kept", RECORDING)


@given(ANYTHING, st.integers(0, 200))
def test_a_bounded_text_can_be_sent_and_is_no_longer_than_allowed(text, limit):
    assert len(bounded(text, limit).encode()) <= max(limit, 40)
    assert "\0" not in bounded(text, limit)
    if len(clean(text).encode()) <= limit:
        assert bounded(text, limit) == clean(text)


def test_a_bounded_text_has_the_beginning_and_more_of_the_end():
    text = bounded("begin" + "x" * 10_000 + "end", 1000)
    assert text.startswith("begin")
    assert text.endswith("end")
    assert "left out" in text
    assert text.index("left out") < 300


@given(ANYTHING)
def test_every_node_id_makes_a_name(nodeid):
    name = step_name(nodeid)
    assert 1 <= len(name.encode()) <= NAME_BYTES
    assert not any(ord(character) < 32 or ord(character) == 127 for character in name)
    assert step_name(name) == name


def test_long_node_ids_that_differ_at_their_ends_have_different_names():
    assert step_name("x" * 10_000 + "1") != step_name("x" * 10_000 + "2")


def test_what_was_written_is_read_in_order(run):
    writer = SpoolWriter(run, HEADER)
    spool = Spool(run)
    assert spool.is_empty
    writer.write(step("one"))
    writer.write(step("two"))
    assert [(n, change["name"]) for n, change in spool.take(1, 1000)] == [(1, "one")]
    assert [(n, change["name"]) for n, change in spool.take(10, 1000)] == [(2, "two")]
    assert spool.take(10, 1000) == []
    writer.write(step("three"))
    assert [n for n, _ in spool.take(10, 1)] == [3]
    spool.seek(1)
    assert [change["name"] for _, change in spool.take(10, 1000)] == ["two", "three"]
    assert not spool.is_finished
    writer.write({"k": "finished", "status": "completed"})
    assert spool.is_finished
    assert spool.is_over()
    writer.close()
    spool.close()


def test_a_line_that_is_not_whole_is_not_read_before_it_is(run):
    SpoolWriter(run, HEADER).close()
    spool = Spool(run)
    line = json.dumps(step("one")).encode() + b"\n"
    with (run / "events.jsonl").open("ab", buffering=0) as file:
        file.write(line[:10])
        assert spool.take(10, 1000) == []
        file.write(line[10:])
        assert [change["name"] for _, change in spool.take(10, 1000)] == ["one"]
        file.write(b'{"torn\n' + line)
        assert [n for n, _ in spool.take(10, 1000)] == [3]
    spool.close()


def test_the_writer_finds_its_file_again_when_its_descriptor_was_taken(run, tmp_path):
    writer = SpoolWriter(run, HEADER)
    fd = writer._fd
    os.close(fd)
    other = (tmp_path / "other").open("wb")  # most often gets the number that is free
    writer.write(step("one"))
    other.close()
    assert (tmp_path / "other").read_bytes() == b""
    assert steps_of(tmp_path / "kept", "run-1") == {"one": ("passed", 1)}
    writer.close()


def test_a_spool_belongs_to_its_run_while_that_lives_and_to_one_courier(run):
    program = (
        "import sys; from pathlib import Path; from sojourn.testing.recording.spool import SpoolWriter\n"
        f"SpoolWriter(Path(sys.argv[1]), {HEADER!r}).write({step('one')!r}); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        spool, rival = Spool(run), Spool(run)
        assert not is_left_behind(spool)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the process table
        assert is_left_behind(rival)
    assert spool.lock()
    assert not rival.lock()
    spool.close()
    assert rival.lock()
    rival.close()


def test_another_process_with_the_number_of_a_writer_is_not_it():
    mine = Writer.this_process()
    assert mine.lives()
    if mine.begun:
        assert not Writer(mine.pid, "1").lives()
    assert not Writer(0, "").lives()


def test_the_directory_of_runs_is_removed_with_its_last_run_and_nothing_else_is(tmp_path):
    base = tmp_path / "kept"
    run = make_run_directory(base, RECORDING)
    assert (base / ".gitignore").exists()
    assert list(run_directories(base)) == []
    SpoolWriter(run, HEADER).close()
    assert list(run_directories(base)) == [run]
    (base / "other").touch()
    remove_run(run)
    assert sorted(path.name for path in base.iterdir()) == [".gitignore", "other"]
    (base / "other").unlink()
    remove_run(make_run_directory(base, RECORDING))
    assert not base.exists()


def test_what_is_not_ours_is_never_removed(tmp_path):
    theirs = tmp_path / "pytest" / "cases"
    theirs.mkdir(parents=True)
    (theirs / "case.txt").touch()
    run = make_run_directory(tmp_path, RECORDING)
    (run / "precious").touch()
    remove_remains(tmp_path, older_than=-1.0)
    remove_run(run)
    assert (theirs / "case.txt").exists()
    assert (run / "precious").exists()
    assert not (tmp_path / ".gitignore").exists()


def test_a_place_that_cannot_be_written_to_is_replaced_by_another(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "file").touch()
    run = make_run_directory(tmp_path / "file", RECORDING)
    assert run.is_relative_to(tmp_path / "temporary")
    SpoolWriter(run, HEADER).close()
    assert list(run_directories(tmp_path / "file")) == [run]


def test_commit_and_branch_are_told_without_git(tmp_path):
    assert git_head(tmp_path) == ("", "")
    git = tmp_path / ".git"
    (git / "refs/heads/feature").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/feature/one\n")
    assert git_head(tmp_path) == ("", "feature/one")
    (git / "packed-refs").write_text("# pack-refs with: peeled\nabc refs/heads/feature/one\n")
    assert git_head(tmp_path) == ("abc", "feature/one")
    (git / "refs/heads/feature/one").write_text("def\n")
    assert git_head(tmp_path) == ("def", "feature/one")
    (tmp_path / "below").mkdir()
    assert git_head(tmp_path / "below") == ("def", "feature/one")
    worktree, home = tmp_path / "worktree", git / "worktrees" / "w"
    worktree.mkdir()
    home.mkdir(parents=True)
    (worktree / ".git").write_text(f"gitdir: {home}\n")
    (home / "HEAD").write_text("ref: refs/heads/feature/one\n")
    (home / "commondir").write_text("../..\n")
    assert git_head(worktree) == ("def", "feature/one")
    (home / "HEAD").write_text("123abc\n")
    assert git_head(worktree) == ("123abc", "")


def test_metadata_can_be_sent_whatever_the_arguments(tmp_path):
    told = metadata(tmp_path, ["-k", "\udc80\0", "x" * 100_000], "9.0")
    assert json.dumps(told).encode()
    assert len(str(told["argv"]).encode()) <= 16_384


def test_a_hundred_failing_subtests_make_one_error(monkeypatch):
    def report(when, outcome, **more):
        made = pytest.TestReport("t.py::t", ("t.py", 1, "t"), {}, outcome, f"{when} {outcome}", when)
        vars(made).update(more)
        return made

    test = Progress("t.py::t", "gw1")
    assert not test.add(report("setup", "passed"))
    for number in range(100):
        assert not test.add(report("call", "failed", context=number))
    assert not test.add(report("call", "passed"))
    assert test.add(report("teardown", "passed"))
    made = test.step(2, output_limit=1000)
    assert (made["status"], made["run"], made["output"]["worker"]) == ("failed", 2, "gw1")
    assert made["error"].count("call failed") == 9


def test_the_plugin_costs_nothing_where_it_is_not_used():
    program = "import sys, pytest; old = {*sys.modules}; import sojourn.testing.plugin; print(*{*sys.modules} - old)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"sojourn", "sojourn.testing", "sojourn.testing.plugin"}


def test_recording_loads_nothing_that_talks():
    program = "import sys, pytest, sojourn.testing.recording.recorder; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"asyncio", "grpc", "pydantic", "click", "sojourn.client"}
