"""Page tokens: opaque, and bound to the tenant and the query they were made for."""

from __future__ import annotations

import base64
import binascii
import struct
from hashlib import blake2b

from google.protobuf.message import Message

from ..domain.errors import SojournError

_DIGEST = 12


class PageTokenError(SojournError):
    """Not a token of this query."""

    reason = "PAGE_TOKEN_INVALID"

    def __init__(self) -> None:
        super().__init__("page_token: not a token of this very query", field="page_token")


def digest(tenant: str, query: Message) -> bytes:
    """What a token is bound to."""
    return blake2b(tenant.encode() + b"\0" + query.SerializeToString(deterministic=True), digest_size=_DIGEST).digest()


def encode_list_token(place: tuple[int, str], bound: bytes) -> str:
    """Goes on after a session in the order of creation."""
    return _text(bound + struct.pack(">Q", place[0]) + place[1].encode())


def decode_list_token(token: str, bound: bytes) -> tuple[int, str]:
    """Raises PageTokenError."""
    rest = _unbound(token, bound)
    if len(rest) < 9:
        raise PageTokenError
    return struct.unpack(">Q", rest[:8])[0], rest[8:].decode("ascii", "replace")


def encode_offset(revision: int, bound: bytes) -> str:
    """Goes on after a revision."""
    return _text(bound + struct.pack(">Q", revision))


def decode_offset(token: str, bound: bytes) -> int:
    """Raises PageTokenError."""
    rest = _unbound(token, bound)
    if len(rest) != 8:
        raise PageTokenError
    revision: int = struct.unpack(">Q", rest)[0]
    return revision


def encode_invocation_token(place: tuple[int, str, str], bound: bytes) -> str:
    """Goes on after an invocation in the order of lists; a session's id holds no slash, an invocation's may."""
    return _text(bound + struct.pack(">Q", place[0]) + f"{place[1]}/{place[2]}".encode())


def decode_invocation_token(token: str, bound: bytes) -> tuple[int, str, str]:
    """Raises PageTokenError."""
    rest = _unbound(token, bound)
    session_id, slash, invocation_id = rest[8:].decode("utf-8", "replace").partition("/")
    if len(rest) < 9 or not slash:
        raise PageTokenError
    return struct.unpack(">Q", rest[:8])[0], session_id, invocation_id


def encode_request_token(place: tuple[int, str, str], bound: bytes) -> str:
    """Goes on after a request in the order of arrival; no id can hold a slash."""
    return _text(bound + struct.pack(">Q", place[0]) + f"{place[1]}/{place[2]}".encode())


def decode_request_token(token: str, bound: bytes) -> tuple[int, str, str]:
    """Raises PageTokenError."""
    rest = _unbound(token, bound)
    names = rest[8:].decode("ascii", "replace").split("/")
    if len(rest) < 9 or len(names) != 2:
        raise PageTokenError
    return struct.unpack(">Q", rest[:8])[0], names[0], names[1]


def encode_event_place(place: tuple[int, int], bound: bytes) -> str:
    """Goes on after a change: the revision of its event, and its position in it."""
    return _text(bound + struct.pack(">QQ", *place))


def decode_event_place(token: str, bound: bytes) -> tuple[int, int]:
    """Raises PageTokenError."""
    rest = _unbound(token, bound)
    if len(rest) != 16:
        raise PageTokenError
    revision, position = struct.unpack(">QQ", rest)
    if revision >> 63 or position >> 63:
        raise PageTokenError
    return revision, position


def encode_name(name: str, bound: bytes) -> str:
    """Goes on after a name in the order of names."""
    return _text(bound + name.encode())


def decode_name(token: str, bound: bytes) -> str:
    """Raises PageTokenError."""
    return _unbound(token, bound).decode("ascii", "replace")


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unbound(token: str, bound: bytes) -> bytes:
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise PageTokenError from None
    if raw[:_DIGEST] != bound:
        raise PageTokenError
    return raw[_DIGEST:]
