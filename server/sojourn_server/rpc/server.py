"""The grpc.aio server: its options, its services, its end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.internal import api_implementation
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from sojourn.v1 import admin_service_pb2, artifact_service_pb2, session_service_pb2

from .admin_service import AdminServicer
from .artifact_service import ArtifactServicer
from .chain import Activity, Interceptor, compose, decoder
from .session_service import SessionServicer

log = structlog.get_logger()

MESSAGE_BYTES = 4 << 20
HEALTH_SECONDS = 0.5
"""How long health checks may run on when all else has ended."""
LINGER_SECONDS = 0.1
"""How long a draining server still answers. What arrives while gRPC itself shuts down is cancelled without a reason, so
first every busy caller is to hear ours, and to pause."""
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def options(*, reuse_port: bool) -> list[tuple[str, int]]:
    """Channel arguments. Keepalive finds a vanished client, and its requests are released, within 15 s; the minimal
    ping interval is below what our clients use. Pings have a timeout of their own, 60 s unless it is set; gRPC's core
    never arms the shorter one of keepalive (seen in 1.85)."""
    return [
        ("grpc.keepalive_time_ms", 9_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.http2.ping_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 4_000),
        ("grpc.max_concurrent_streams", 2_000),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_metadata_size", 16_384),
        ("grpc.so_reuseport", int(reuse_port)),
    ]


class GrpcServer:
    """A server of our services with health checking and, if wanted, reflection."""

    def __init__(
        self,
        sessions: SessionServicer,
        admin: AdminServicer,
        artifacts: ArtifactServicer,
        chain: Sequence[Interceptor],
        activity: Activity,
        *,
        reflect: bool,
        reuse_port: bool,
    ) -> None:
        if api_implementation.Type() != "upb":
            raise RuntimeError("protobuf must run on its upb backend: the pure Python one recurses without limit")
        self._activity = activity
        self._server = grpc.aio.server(options=options(reuse_port=reuse_port))
        self._health = HealthServicer()
        services: Mapping[ServiceDescriptor, Any] = {
            session_service_pb2.DESCRIPTOR.services_by_name["SessionService"]: sessions,
            admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"]: admin,
            artifact_service_pb2.DESCRIPTOR.services_by_name["ArtifactService"]: artifacts,
        }
        for service, servicer in services.items():
            handlers = {m.name: _handler(m, servicer, chain) for m in service.methods}
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
            self._server.add_registered_method_handlers(service.full_name, handlers)
        self._names = tuple(service.full_name for service in services)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if reflect:
            names = (*self._names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
            reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), self._server)

    async def start(self, listen: str) -> int:
        """Binds and serves; returns the port. Health says NOT_SERVING until `set_serving`."""
        await self.set_serving(False)
        port = self._server.add_insecure_port(listen)
        await self._server.start()
        return port

    async def set_serving(self, serving: bool) -> None:
        """What health checks are told."""
        for name in ("", *self._names):
            await self._health.set(name, SERVING if serving else NOT_SERVING)

    async def drain(self, grace: float) -> None:
        """Refuses new calls, waits for running ones up to `grace` seconds, then ends the rest."""
        self._activity.draining = True
        await self._health.enter_graceful_shutdown()
        try:
            async with asyncio.timeout(grace):
                await asyncio.sleep(LINGER_SECONDS)
                await self._activity.wait_idle()
        except TimeoutError:
            if self._activity.running:
                log.warning("calls did not end within the grace period", calls=self._activity.running)
        # One stop only: a second beside the first crashes. Its grace is for the connections to end in good order; those
        # who follow our health never end by themselves.
        await self._server.stop(None if self._activity.running else HEALTH_SECONDS)
        await self._activity.wait_idle()


def _handler(method: MethodDescriptor, servicer: Any, chain: Sequence[Interceptor]) -> Any:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower()
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[method.client_streaming, method.server_streaming]
    return make(
        compose(chain, method.name, getattr(servicer, name)),
        request_deserializer=decoder(GetMessageClass(method.input_type)),
        response_serializer=_serialize,
    )


def _serialize(response: Any) -> bytes:
    """Messages are encoded here; events come encoded already."""
    return response if type(response) is bytes else response.SerializeToString()
