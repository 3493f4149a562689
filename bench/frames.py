"""HTTP/2 frames and header blocks, as much of them as a gRPC client with fixed headers needs (RFC 9113, RFC 7541)."""

import struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA: Final = 0x0
HEADERS: Final = 0x1
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY: Final = 0x20

HEADER_TABLE_SIZE: Final = 0x1
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4

MAX_WINDOW: Final = 2**31 - 1
DEFAULT_WINDOW: Final = 65_535
MAX_FRAME: Final = 16_384

# A frame's header as one unpack: length and type share the first word, then flags, then the stream.
FRAME_HEADER: Final = struct.Struct(">IBI")
UINT32: Final = struct.Struct(">I")
SETTING: Final = struct.Struct(">HI")

# What the server encodes when no header compression table is allowed and a call succeeded.
STATUS_OK: Final = b"\x0bgrpc-status\x010"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame, header and payload."""
    return FRAME_HEADER.pack(len(payload) << 8 | kind, flags, stream) + payload


def settings(values: dict[int, int]) -> bytes:
    """A SETTINGS frame with these settings."""
    return frame(SETTINGS, 0, 0, b"".join(SETTING.pack(key, value) for key, value in values.items()))


def window_update(stream: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream, UINT32.pack(increment))


def grpc_message(payload: bytes) -> bytes:
    """A gRPC message: not compressed, length, payload."""
    return b"\x00" + UINT32.pack(len(payload)) + payload


def _literal(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > 126:
        raise ValueError(f"header text longer than 126 bytes: {text!r}")
    return bytes([len(raw)]) + raw


def request_headers(path: str, authority: str, timeout: str | None) -> tuple[bytes, bytes]:
    """Header blocks of a connection's first call of `path`, and of every later one.

    The first adds the headers to the server's compression table and the rest refer to it, as gRPC's own clients do.
    `timeout` is the calls' deadline as gRPC writes it (`30S`); None for none.
    """
    static = b"\x83\x86"  # :method POST, :scheme http
    added = [
        b"\x44" + _literal(path),
        b"\x41" + _literal(authority),
        b"\x40" + _literal("te") + _literal("trailers"),
        b"\x5f" + _literal("application/grpc"),
        b"\x7a" + _literal("sojourn-bench"),
    ]
    if timeout is not None:
        added.append(b"\x40" + _literal("grpc-timeout") + _literal(timeout))
    # The dynamic table begins at 62 and the newest entry comes first.
    indexed = bytes(0x80 | 62 + len(added) - 1 - i for i in range(len(added)))
    return static + b"".join(added), static + indexed


def with_path(later: bytes, path: str) -> bytes:
    """A later call's header block, for another path than the connection's own."""
    return later[:2] + b"\x04" + _literal(path) + later[3:]
