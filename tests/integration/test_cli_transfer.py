"""The `sojourn` program takes sessions out and in."""

import json

import pytest
from click.testing import CliRunner

import sojourn as sdk
from sojourn.cli import main
from tests.support.command import sojourn


@pytest.fixture
async def client(server):
    async with sdk.Client(server.target) as client:
        yield client


@pytest.fixture
async def session(client, sid):
    session = await client.create_session(sid, state={"token": "s3cret"})
    await session.add_message("user", "mail bob@acme.test")
    await session.record_invocation("search/web", arguments={"q": 1}, result="found")
    await session.put_artifact("shot.png", b"png")
    return session


async def test_a_session_goes_out_and_in(server, client, session, tmp_path):
    path = tmp_path / "session.sojourn"
    done = await sojourn("export", session.id, "-o", str(path), "--artifacts", target=server.target)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == f"{path}: {session.id} at revision 4, {path.stat().st_size:,} bytes\n"
    dry = await sojourn("import", str(path), "--id", f"{session.id}-2", "--dry-run", target=server.target)
    assert dry.stdout == f"{session.id} would be {session.id}-2: active, 4 events, 1 artifact\n"
    taken = await sojourn("import", str(path), target=server.target)
    assert taken.code == 1
    assert "--new-id" in taken.stderr
    new = await sojourn("import", str(path), "--new-id", target=server.target)
    copy = new.stdout.split(" is ")[1].split(":")[0]
    assert await client.session(copy).get_artifact("shot.png") == b"png"


async def test_json_lines_through_a_pipe_without_what_is_secret(server, session):
    options = ["--format", "jsonl", "-o", "-", "--redact-key", "token", "--redact", "[a-z]+@[a-z.]+"]
    done = await sojourn("export", session.id, *options, target=server.target)
    header, *events, end = map(json.loads, done.lines)
    assert (header["session_id"], len(events), end["end"]["events"]) == (session.id, 4, 4)
    assert events[1]["changes"][0]["messageAppended"]["content"] == "mail [redacted]"


async def test_a_directory_for_people(server, session, tmp_path):
    options = ["--format", "directory", "-o", str(tmp_path), "--artifacts"]
    done = await sojourn("export", session.id, *options, target=server.target)
    root = tmp_path / session.id
    assert (done.code, done.stdout) == (0, f"{root}\n")
    assert (root / "artifacts" / "shot.png" / "1").read_bytes() == b"png"
    again = await sojourn("export", session.id, *options, target=server.target)
    assert (again.code, "is there already" in again.stderr) == (1, True)


async def test_a_file_that_is_none(server, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"something else")
    done = await sojourn("import", str(path), target=server.target)
    assert (done.code, done.stdout) == (1, "")
    assert "no file of a session" in done.stderr
    missing = await sojourn("import", str(tmp_path / "missing"), target=server.target)
    assert missing.code == 2
    assert "Traceback" not in missing.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "x", "--format", "directory", "--redact", "a"],
        ["export", "x", "--format", "directory", "-o", "-"],
        ["export", "x", "--format", "jsonl", "--artifacts"],
        ["import", "x", "--id", "a", "--new-id"],
    ],
)
def test_wrong_usage(arguments):
    assert CliRunner().invoke(main, arguments).exit_code == 2


async def test_a_session_that_is_not_there(server, tmp_path):
    path = tmp_path / "file"
    assert (await sojourn("export", "not-there", "-o", str(path), target=server.target)).code == 3
    assert not list(tmp_path.iterdir())
