"""Whether a server of ours is somewhere, found out quickly and without a client."""

from __future__ import annotations

import socket

import grpc

_METHOD = "/grpc.health.v1.Health/Check"
_SERVICE = b"sojourn.v1.SessionService"
_REQUEST = b"\x0a" + bytes([len(_SERVICE)]) + _SERVICE
"""A grpc.health.v1.HealthCheckRequest for our service: others do not know it. As bytes, because the SDK does without
the package of the message."""


def answers(target: str, *, within: float) -> bool:
    """Whether a Sojourn server answers at `host:port`. Blocks, for `within` seconds twice at most."""
    host, _, port = target.rpartition(":")
    try:
        # Most often nobody listens, which this tells at once.
        socket.create_connection((host, int(port)), timeout=within).close()
    except (OSError, ValueError):
        return False
    with grpc.insecure_channel(target) as channel:
        try:
            check = channel.unary_unary(_METHOD, request_serializer=bytes, response_deserializer=bytes)
            check(_REQUEST, timeout=within)
        except grpc.RpcError:
            return False
    return True
