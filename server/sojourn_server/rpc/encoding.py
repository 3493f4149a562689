"""Protobuf's own encoding, where building messages first would cost more than the call."""

from __future__ import annotations


def varint(number: int) -> bytes:
    """A base-128 varint, see https://protobuf.dev/programming-guides/encoding/#varints."""
    if number < 128:
        return _ONE_BYTE[number]
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


_ONE_BYTE = [bytes([number]) for number in range(128)]
