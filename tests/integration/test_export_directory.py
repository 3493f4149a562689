"""A session as a directory: what people look for is where they look, and no name gets out of it."""

import json
import os

import pytest

import sojourn as sdk
from sojourn._directory import MOST_CHARACTERS, safe_name

HOSTILE = [
    "../../x",
    "/etc/passwd",
    "..",
    ".",
    "",
    "a\x00b",
    "a/b",
    "a\\b",
    "C:",
    "con",
    "nul.txt",
    "x" * 300,
    "~",
    "-rf",
    ".ssh",
]


@pytest.fixture
async def client(server):
    async with sdk.Client(server.target) as client:
        yield client


async def test_everything_is_where_people_look(client, sid, tmp_path):
    session = await client.create_session(sid, state={"a": {"ü": 1}}, purpose="review")
    await session.add_message("user", "hello")
    await session.record_invocation("search", arguments={"q": 1}, result=[1])
    await session.record_invocation("fetch", error="no", status="failed")
    await session.record_invocation("search", arguments={"q": 2})
    await session.add_message("assistant", "done")
    await session.put_artifact("shot.png", b"one", phase="before")
    await session.put_artifact("shot.png", b"two")
    told = []
    root = await session.export_directory(tmp_path, progress=lambda done, total: told.append((done, total)))
    assert root == tmp_path / sid
    last = session.revision
    assert told == [(revision, last) for revision in range(1, last + 1)]
    metadata = json.loads((root / "metadata.json").read_text())
    assert sdk.Session.model_validate(metadata) == (await session.refresh())
    talk = [json.loads(line)["content"] for line in (root / "conversation.jsonl").read_text().splitlines()]
    assert talk == ["hello", "done"]
    events = [json.loads(line) for line in (root / "events.jsonl").read_text().splitlines()]
    assert [sdk.Event.model_validate(event) for event in events] == [event async for event in session.events()]
    calls = sorted(path.name for path in (root / "invocations").iterdir())
    assert [name.split("-")[:2] for name in calls] == [["0001", "search"], ["0002", "fetch"], ["0003", "search"]]
    assert sorted(path.name for path in (root / "by-tool").iterdir()) == ["fetch", "search"]
    links = sorted((root / "by-tool" / "search").iterdir())
    assert all(link.is_symlink() and not os.path.isabs(os.readlink(link)) for link in links)
    assert [json.loads(link.read_text())["arguments"] for link in links] == [{"q": 1}, {"q": 2}]
    assert {path.name: path.read_bytes() for path in (root / "artifacts" / "shot.png").iterdir()} == {
        "1": b"one",
        "2": b"two",
    }


async def test_no_name_gets_out_of_it(client, sid, tmp_path):
    session = await client.create_session(sid)
    for number, name in enumerate(HOSTILE):
        if not name or "\x00" in name:
            continue
        await session.put_artifact(name[:200], f"{number}".encode())
        await session.record_invocation(name[:200], invocation_id=f"{name[:200]}/{number}", result=number)
    inside = tmp_path / "inside"
    root = await session.export_directory(inside)
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    files = [path for path in root.rglob("*") if path.is_file()]
    assert all(path.resolve().is_relative_to(root) for path in files)
    contents = {path.read_bytes() for path in (root / "artifacts").rglob("*") if path.is_file()}
    assert contents == {f"{number}".encode() for number, name in enumerate(HOSTILE) if name and "\x00" not in name}


async def test_where_links_cannot_be_made_there_are_copies(client, sid, tmp_path, monkeypatch):
    session = await client.create_session(sid)
    await session.record_invocation("t", result=1)

    def cannot(*args, **kwargs):
        raise OSError("no links here")

    monkeypatch.setattr("pathlib.Path.symlink_to", cannot)
    root = await session.export_directory(tmp_path)
    (copy,) = (root / "by-tool" / "t").iterdir()
    assert not copy.is_symlink()
    assert json.loads(copy.read_text())["result"] == 1


async def test_a_directory_that_is_there_is_left_alone(client, sid, tmp_path):
    session = await client.create_session(sid)
    (tmp_path / sid).mkdir()
    with pytest.raises(FileExistsError):
        await session.export_directory(tmp_path)
    assert not list((tmp_path / sid).iterdir())


@pytest.mark.parametrize("text", HOSTILE)
def test_every_text_has_a_name_that_is_one(text):
    name = safe_name(text)
    assert name not in ("", ".", "..")
    assert not set(name) & set('/\\:*?"<>|\x00')
    assert not name.startswith((".", " "))
    assert len(name) <= MOST_CHARACTERS + 9


def test_names_that_differ_stay_different():
    assert len({safe_name(text) for text in [*HOSTILE, "a_b", "a b", "a  b"]}) == len(HOSTILE) + 3
    assert safe_name("report-1.pdf") == "report-1.pdf"
