"""Reads files of recorded conversations: JSON lines, plain or gzip."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from .json_values import is_storable
from .openai_format import FormatError, MessageWrite, writes_of

ORIGIN = "sojourn.replay"
"""Metadata key under which a replayed session says which line it was made of."""

_GZIP_FIRST = b"\x1f"
_LISTS = ("traj", "messages")
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._~@+=-]+")


@dataclass(frozen=True, slots=True)
class Conversation:
    """One line of a file. `number` counts the lines from 1; `digest` is the SHA-256 of the line, hexadecimal."""

    number: int
    writes: list[MessageWrite]
    metadata: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def invocations(self) -> int:
        """Tool invocations in all."""
        return sum(len(write.started) for write in self.writes)


def read_lines(path: str, stdin: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The non-empty lines of a file (`-`: of `stdin`) with their numbers; gzip is recognised by its first bytes.

    Raises:
        OSError: the file cannot be read, or its compression is damaged.
    """
    try:
        with _opened(path, stdin) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, line.strip()
    except (EOFError, zlib.error) as error:
        raise OSError(f"damaged gzip data: {error}") from error


def parse_line(number: int, line: bytes) -> Conversation:
    """The conversation of a line: a list of messages, or an object that holds it under `traj` or `messages`.

    The object's other keys become metadata.

    Raises:
        FormatError: the line is something else; the text says what and in which message.
    """
    try:
        document = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not JSON ({error})") from None
    metadata: dict[str, Any] = {}
    messages = document
    if isinstance(document, dict):
        key = next((name for name in _LISTS if name in document), None)
        if key is None:
            raise FormatError(f"expected the messages under {' or '.join(map(repr, _LISTS))}")
        messages = document.pop(key)
        metadata = document
    if not isinstance(messages, list):
        raise FormatError(f"expected a list of messages, not {type(messages).__name__}")
    if not is_storable(list(metadata.values())):
        raise FormatError("holds values beside the messages that a session cannot: see the limits of metadata")
    return Conversation(number, writes_of(messages), metadata, hashlib.sha256(line).hexdigest())


def stem_of(path: str) -> str:
    """The file's name without directories and extensions, fit to be part of a session id."""
    name = "stdin" if path == "-" else Path(path).name.lstrip(".").split(".")[0]
    return _NOT_IN_IDS.sub("-", name).strip("-") or "file"


@contextmanager
def _opened(path: str, stdin: BinaryIO) -> Iterator[gzip.GzipFile | io.BufferedReader]:
    if path == "-":
        yield _unzipped(stdin if isinstance(stdin, io.BufferedReader) else io.BufferedReader(io.BytesIO(stdin.read())))
    else:
        with open(path, "rb") as file:
            yield _unzipped(file)


def _unzipped(file: io.BufferedReader) -> gzip.GzipFile | io.BufferedReader:
    """The file's content, decompressed when it begins as gzip does (and JSON never does)."""
    return gzip.GzipFile(fileobj=file) if file.peek(1)[:1] == _GZIP_FIRST else file


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
