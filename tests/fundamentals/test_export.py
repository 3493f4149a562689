"""Export and import: a session as a file, and as a directory.

A file holds a session whole: its history and, if wanted, the bytes of its artifacts. It can be imported into the same
deployment or another one; the import is checked from the first byte to the last, and happens whole or not at all.
"""

import pytest

import sojourn


@pytest.fixture
async def session(client, name):
    session = await client.create_session(name, user_id="ann", state={"step": "plan", "token": "s3cret"})
    await session.add_message("user", "Book a flight for ann@example.com.")
    async with session.invocation("search_flights", arguments={"to": "BER"}) as call:
        call.result = ["LH 1"]
    await session.put_artifact("ticket.pdf", b"%PDF")
    return session


async def test_export_and_import(client, session, tmp_path):
    await session.export(tmp_path / "run.sojourn", artifacts=True)
    imported = await client.import_session(tmp_path / "run.sojourn", new_id=True)
    copy = client.session(imported.session.id)
    assert imported.source_session_id == session.id
    assert (await copy.refresh()).state == {"step": "plan", "token": "s3cret"}
    assert [message.content async for message in copy.messages()] == ["Book a flight for ann@example.com."]
    assert await copy.get_artifact("ticket.pdf") == b"%PDF"


async def test_an_imported_session_goes_on_where_it_was(client, session, tmp_path):
    exported = await session.export(tmp_path / "run.sojourn")
    await client.delete_session(session.id)
    await client.import_session(tmp_path / "run.sojourn")
    assert await client.session(session.id).add_message("user", "Is it booked?") == exported.revision + 1


async def test_look_before_you_import(client, session, tmp_path):
    await session.export(tmp_path / "run.sojourn")
    found = await client.import_session(tmp_path / "run.sojourn", session_id=f"{session.id}-2", dry_run=True)
    assert (found.session.id, found.events) == (f"{session.id}-2", 5)
    with pytest.raises(sojourn.SessionNotFoundError):
        await client.get_session(f"{session.id}-2")


async def test_an_id_is_taken_once(client, session, tmp_path):
    await session.export(tmp_path / "run.sojourn")
    with pytest.raises(sojourn.SessionAlreadyExistsError):
        await client.import_session(tmp_path / "run.sojourn")


async def test_a_damaged_file_is_refused(client, session, tmp_path):
    path = tmp_path / "run.sojourn"
    await session.export(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(sojourn.FileInvalidError) as refused:
        await client.import_session(path, new_id=True)
    assert refused.value.problem == "truncated"


async def test_leave_out_what_is_secret(client, session, tmp_path):
    path = tmp_path / "run.jsonl"
    await session.export(path, format="jsonl", redact_keys=["token"], redact_patterns=[r"\S+@\S+\w"])
    imported = await client.import_session(path, new_id=True)
    assert imported.session.state == {"step": "plan", "token": "[redacted]"}
    messages = [message.content async for message in client.session(imported.session.id).messages()]
    assert messages == ["Book a flight for [redacted]."]


async def test_a_directory_for_people_and_scripts(session, tmp_path):
    root = await session.export_directory(tmp_path)
    assert sorted(path.name for path in root.iterdir()) == [
        "artifacts", "by-tool", "conversation.jsonl", "events.jsonl", "invocations", "metadata.json",
    ]  # fmt: skip
    assert [path.parent.name for path in (root / "by-tool").glob("*/*.json")] == ["search_flights"]
