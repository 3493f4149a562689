"""The connection to the service."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import grpc

from ..config import TLS, Keepalive, Timeouts, seconds
from ..errors import ServerUnreachableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the service is and how to talk to it."""

    target: str
    api_key: str | None
    tls: TLS | None
    keepalive: Keepalive
    max_message_bytes: int

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries."""
        return (("authorization", f"Bearer {self.api_key}"),) if self.api_key else ()


async def open_channel(endpoint: Endpoint, timeouts: Timeouts) -> grpc.aio.Channel:
    """A connected channel. Raises ServerUnreachableError when it does not stand within `timeouts.connect`."""
    options = _options(endpoint)
    if endpoint.tls is None:
        channel = grpc.aio.insecure_channel(endpoint.target, options=options)
    else:
        credentials = grpc.ssl_channel_credentials(
            endpoint.tls.root_certificates, endpoint.tls.private_key, endpoint.tls.certificate_chain
        )
        channel = grpc.aio.secure_channel(endpoint.target, credentials, options=options)
    try:
        async with asyncio.timeout(seconds(timeouts.connect)):
            await channel.channel_ready()
    except BaseException as error:
        await channel.close()
        if isinstance(error, TimeoutError):
            message = f"no connection to {endpoint.target} within {seconds(timeouts.connect):g} s"
            raise ServerUnreachableError(message) from None
        raise
    return channel


def _options(endpoint: Endpoint) -> list[tuple[str, int | str]]:
    keepalive = endpoint.keepalive
    options: list[tuple[str, int | str]] = [
        ("grpc.keepalive_time_ms", _milliseconds(seconds(keepalive.interval))),
        ("grpc.keepalive_timeout_ms", _milliseconds(seconds(keepalive.timeout))),
        # gRPC's core never arms the timeout of keepalive (seen in 1.85); that of pings, 60 s unless it is set, works.
        ("grpc.http2.ping_timeout_ms", _milliseconds(seconds(keepalive.timeout))),
        ("grpc.keepalive_permit_without_calls", int(keepalive.while_idle)),
        # By default gRPC stops pinging after two pings without data, and a quiet watch has little data.
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", endpoint.max_message_bytes),
        ("grpc.max_send_message_length", endpoint.max_message_bytes),
        # gRPC's own waits grow to two minutes: far too long for a server that was only restarted.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 2000),
        # Retries are made in one place, with idempotency keys.
        ("grpc.enable_retries", 0),
        # Every client has a connection of its own, so that several of them are several.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if endpoint.tls is not None and endpoint.tls.server_name:
        options.append(("grpc.ssl_target_name_override", endpoint.tls.server_name))
    return options


def _milliseconds(duration: float) -> int:
    return max(1, round(duration * 1000))
