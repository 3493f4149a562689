"""docs/archive-format.md tells enough to read a file: a reader made from the page alone reads the page's example."""

import asyncio
import hashlib
import json
import re
import struct
import zlib
from pathlib import Path

import pytest
import zstandard

from sojourn.v1 import event_pb2
from sojourn_server.archive.frames import MOST_RATIO, Kind
from sojourn_server.archive.index import TRAILER_BYTES
from sojourn_server.archive.reading import MOST_ARTIFACTS, MOST_BYTES, FileLimits
from sojourn_server.domain.fold import Folded
from tests.support.archived import events_of, file_of, parts_of, rich_session

PAGE = (Path(__file__).parents[3] / "docs" / "archive-format.md").read_text()
MAGIC, END_MAGIC = bytes.fromhex("89534a410d0a1a01"), bytes.fromhex("89534a450d0a1a01")


def example() -> bytes:
    """The bytes of the page's hexdump."""
    (dump,) = re.findall(r"```hexdump\n(.*?)```", PAGE, re.DOTALL)
    return b"".join(bytes.fromhex(line[10:58]) for line in dump.splitlines())


def frames_of(data: bytes) -> list[tuple[int, int, bytes]]:
    """Kind, offset and content of each frame."""
    assert data[:8] == MAGIC
    found, at = [], 8
    while not found or found[-1][0] != 7:
        kind, flags, stored, raw, payload_crc, head_crc = struct.unpack_from(">BBIIII", data, at)
        payload = data[at + 18 : at + 18 + stored]
        assert (zlib.crc32(payload), zlib.crc32(data[at : at + 14])) == (payload_crc, head_crc)
        content = zstandard.decompress(payload) if flags & 1 else payload
        assert len(content) == raw
        found.append((kind, at, content))
        at += 18 + stored
    offset, length, crc = struct.unpack_from(">QII", data, at)
    assert (zlib.crc32(data[at : at + 12]), data[at + 16 :]) == (crc, END_MAGIC)
    assert found[-2][:2] == (6, offset)
    assert offset + length == found[-1][1]
    end = json.loads(found[-1][2])
    assert end["sha256"] == hashlib.sha256(data[: found[-1][1]]).hexdigest()
    assert end["frames"] == len(found) - 1
    return found


def records_of(content: bytes) -> list[tuple[int, int, int, bytes]]:
    """Revision, commit time, mask and body of each event."""
    found, at = [], 0
    while at < len(content):
        revision, commit_us, mask, size = struct.unpack_from(">QQQI", content, at)
        found.append((revision, commit_us, mask, content[at + 28 : at + 28 + size]))
        at += 28 + size
    return found


def test_the_example_is_read_as_the_page_says():
    (_, _, header), (_, at_session, session), (_, at_events, events), (_, at_index, index), (_, at_end, _) = frames_of(
        example()
    )
    assert json.loads(header) == json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
    offsets = tuple(f"{at:#x}" for at in (at_session, at_events, at_index, at_end))
    assert re.findall(r" begins at (\w+), the EVENTS at (\w+), the INDEX at (\w+) and END at (\w+);", PAGE) == [offsets]
    assert json.loads(session)["session"]["state"] == {"cart": '["tea"]'}
    one, two = records_of(events)
    assert struct.unpack(">QQQQI", index) == (1, 2, one[2] | two[2], at_events, at_index - at_events)
    assert (one[:3], two[:3]) == ((1, 1767225600000000, 0x100000), (2, 1767225601500000, 0x10))
    bodies = [str(event_pb2.Event.FromString(body)) for _, _, _, body in (one, two)]
    assert [" ".join(body.split()) for body in bodies] == re.findall(r"0x\w+ \| `(.*)` \|", PAGE)


async def test_the_server_reads_the_example_alike():
    header, folded, events = await parts_of(example())
    assert isinstance(folded, Folded)
    assert (header.session_id, header.revision, folded.session.state) == ("tea-1", 2, {"cart": b'["tea"]'})
    (content,) = (content for kind, _, content in frames_of(example()) if kind == 3)
    assert [(event.revision, event.commit_us, event.mask, event.body) for event in events] == records_of(content)


def test_the_reader_made_from_the_page_reads_what_the_server_writes():
    folded = rich_session()
    frames = frames_of(asyncio.run(file_of(folded, None, b"an artifact")))
    assert [kind for kind, _, _ in frames] == [1, 2, 3, 4, 5, 6, 7]
    session = json.loads(frames[1][2])["session"]
    for name in ("metadata", "state", "results"):
        assert {key: text.encode() for key, text in session[name].items()} == getattr(folded.session, name)
    assert [body for _, _, _, body in records_of(frames[2][2])] == [event.body for event in events_of(folded)]
    assert frames[4][2] == b"an artifact"


@pytest.mark.parametrize("kind", Kind)
def test_the_page_names_every_kind_and_its_limit(kind):
    row = rf"^\| {kind.value} \| {kind.name} \| .* \| (.*) \|$"
    (limit,) = re.findall(row, PAGE, re.MULTILINE)
    if kind is Kind.SESSION:
        assert f"SESSION has at most {FileLimits().session_bytes >> 20} MiB" in PAGE
    else:
        number, unit = limit.split()
        assert int(number) << {"KiB": 10, "MiB": 20}[unit] == MOST_BYTES[kind]


def test_the_page_names_every_member_of_a_session():
    (_, _, session) = frames_of(asyncio.run(file_of(rich_session())))[1]
    table = PAGE[PAGE.index("| member of `session`") : PAGE.index("### EVENTS")]
    assert set(re.findall(r"`(\w+)`", table)) >= json.loads(session)["session"].keys()


def test_the_page_names_the_other_limits():
    assert f"at most {MOST_RATIO} times" in PAGE
    assert f"At most {MOST_ARTIFACTS:,}." in PAGE
    assert f"trailer  {TRAILER_BYTES} bytes" in PAGE
