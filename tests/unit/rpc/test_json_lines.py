"""JSON lines: what is written is read again, and nothing else is read."""

import hashlib
import json

import pytest

from sojourn.v1 import event_pb2
from sojourn_server.domain.errors import FileInvalidError
from sojourn_server.domain.events import StoredEvent
from sojourn_server.domain.limits import Limits
from sojourn_server.domain.session import Session
from sojourn_server.ports.archives import ArchiveHeader
from sojourn_server.rpc.json_lines import JsonLines

LINES = JsonLines(Limits(write_bytes=1000))
SESSION = Session("a", "00000000000000aa", "i", revision=3)


def event(revision):
    text = event_pb2.MessageAppended(role=event_pb2.MESSAGE_ROLE_USER, content=f'"{revision}"\n\\[{{\u2028ü')
    body = event_pb2.Event(writer="w", changes=[event_pb2.Change(message_appended=text)]).SerializeToString()
    return StoredEvent("a", "00000000000000aa", "", revision, 1_700_000_000_000_000 + revision, 0, 0, body)


EVENTS = [event(revision) for revision in (1, 2, 3)]


async def written():
    async def pages():
        yield EVENTS[:2]
        yield EVENTS[2:]

    return b"".join([piece async for piece in LINES.write(SESSION, pages())])


async def read(data, piece=1 << 20):
    async def pieces():
        for begin in range(0, len(data), piece):
            yield data[begin : begin + piece]

    return [part async for part in LINES.read(pieces())]


async def refusal(data):
    with pytest.raises(FileInvalidError) as refused:
        await read(data)
    return refused.value.metadata["problem"]


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
async def test_what_was_written_is_read_again(piece):
    header, *pages = await read(await written(), piece)
    assert (header.session_id, header.uid, header.revision) == ("a", "00000000000000aa", 3)
    assert [one for page in pages for one in page] == EVENTS


async def test_a_file_that_is_cut_anywhere_is_refused():
    data = await written()
    for end in range(len(data)):
        assert await refusal(data[:end]) == "truncated"


async def test_a_file_with_a_byte_changed_is_refused():
    data = await written()
    for at in range(0, len(data), 5):
        await refusal(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


async def test_nothing_follows_the_end():
    assert await refusal(await written() + b"{}\n") == "content"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"[" * 1000 + b"]" * 1000, "limit"),
        (b'{"a":' * 900 + b"1" + b"}" * 900, "limit"),
        (b'{"sojourn_export": 2}', "version"),
        (b'{"sojourn_export": true}', "header"),
        (b'{"sojourn_export": 1, "session_id": "a", "uid": "u"}', "header"),
        (b'{"sojourn_export": 1, "session_id": "a", "uid": "u", "revision": 0}', "header"),
        (b'{"sojourn_export": 1, "session_id": "a", "uid": "u", "revision": ' + b"9" * 5000 + b"}", "content"),
        (b'{"sojourn_export": NaN}', "content"),
        (b'{"a": "\\', "content"),
        (b"\xff\xfe", "content"),
        (b"", "content"),
    ],
)
async def test_a_beginning_that_is_none_is_refused(line, problem):
    assert await refusal(line + b"\n") == problem


@pytest.mark.parametrize(
    "document",
    [
        {"sessionId": "b", "revision": "1"},
        {"sessionId": "a", "revision": "x"},
        {"sessionId": "a", "revision": "1", "commitTime": "yesterday"},
        {"sessionId": "a", "revision": "1", "unheardOf": 1},
        {"sessionId": "a", "changes": {"a": 1}},
        {"sessionId": "a", "changes": [{"stateSet": {"values": {"k": {"json": "not base64!"}}}}]},
    ],
)
async def test_a_line_that_is_no_event_is_refused(document):
    header = (await written()).split(b"\n")[0]
    assert await refusal(header + b"\n" + json.dumps(document).encode() + b"\n") == "content"


async def test_a_line_is_no_longer_than_a_write_may_be():
    assert await refusal(b'{"a": "' + b"x" * (80 << 10)) == "limit"


async def test_a_line_cannot_become_a_hundred_times_as_large():
    wide = JsonLines(Limits())

    header = (await written()).splitlines(keepends=True)[0]

    async def pieces():
        yield header
        yield b"{" + b'"a":[],' * 2_000_000 + b"}\n"

    with pytest.raises(FileInvalidError, match="too many parts"):
        async for _ in wide.read(pieces()):
            pass


async def test_the_number_of_events_is_checked():
    lines = (await written()).splitlines(keepends=True)
    kept = b"".join(lines[:-2])
    end = {"end": {"events": 3, "sha256": hashlib.sha256(kept).hexdigest()}}
    assert await refusal(kept + json.dumps(end).encode() + b"\n") == "truncated"


async def test_a_header_is_what_comes_first():
    header = (await read(await written()))[0]
    assert isinstance(header, ArchiveHeader)
