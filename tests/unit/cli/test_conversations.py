"""Files of conversations: what is read, what is refused."""

import gzip
import io
import json

import pytest

from sojourn.cli.conversations import parse_line, read_lines, stem_of
from sojourn.cli.openai_format import FormatError

HELLO = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("source", ["file", "stdin", "pipe"])
def test_lines_are_read_plain_and_gzipped(tmp_path, packed, source):
    content = b'["a"]\n\n  \n["b"]'
    data = gzip.compress(content) if packed else content
    path = tmp_path / "no-extension"
    path.write_bytes(data)
    stdin = io.BytesIO(data) if source == "stdin" else io.BufferedReader(io.BytesIO(data))
    lines = read_lines(str(path) if source == "file" else "-", stdin)
    assert list(lines) == [(1, b'["a"]'), (4, b'["b"]')]


def test_an_empty_file_has_no_lines(tmp_path):
    path = tmp_path / "empty"
    path.write_bytes(b"")
    assert list(read_lines(str(path), io.BytesIO())) == []


def test_damaged_gzip_is_an_os_error(tmp_path):
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(b"x" * 1000)[:-10])
    with pytest.raises(OSError, match="damaged"):
        list(read_lines(str(path), io.BytesIO()))


@pytest.mark.parametrize("key", ["traj", "messages"])
def test_messages_under_either_key(key):
    line = json.dumps({"task_id": 3, key: HELLO, "reward": 1.0}).encode()
    conversation = parse_line(7, line)
    assert conversation.number == 7
    assert [write.content for write in conversation.writes] == ["hello"]
    assert conversation.metadata == {"task_id": 3, "reward": 1.0}
    assert len(conversation.digest) == 64


def test_a_bare_list_of_messages():
    conversation = parse_line(1, json.dumps(HELLO).encode())
    assert len(conversation.writes) == 1
    assert conversation.metadata == {}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"messages": [], "x": NaN}', "NaN"),
        (b"[" * 100_000, "not JSON"),
        (b'{"text": "x"}', "'traj' or 'messages'"),
        (b'{"messages": "x"}', "list of messages, not str"),
        (b"7", "list of messages, not int"),
        (b'{"messages": [], "x": "\\ud800"}', "metadata"),
        (b'[{"role": "user"}, 3]', "message 2"),
    ],
)
def test_other_lines_are_refused(line, expected):
    with pytest.raises(FormatError, match=expected):
        parse_line(1, line)


@pytest.mark.parametrize(
    ("path", "stem"),
    [("/a/trajectories.jsonl.gz", "trajectories"), ("-", "stdin"), ("my chats (1).json", "my-chats-1"), (".x", "x"),
     ("äöü", "file"), ("a.b", "a")],
)  # fmt: skip
def test_stems_fit_session_ids(path, stem):
    assert stem_of(path) == stem
