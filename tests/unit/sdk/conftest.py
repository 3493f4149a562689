"""A fake service behind a real gRPC server, and a client of it with quick retries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from sojourn import Client, RetryPolicy, Timeouts, Watching
from sojourn.v1 import admin_service_pb2_grpc, session_service_pb2_grpc
from tests.unit.sdk.fake_service import FakeService


class Running:
    """The fake service, its target, and clients of it."""

    def __init__(self, service: FakeService, server: grpc.aio.Server, target: str) -> None:
        self.service = service
        self.server = server
        self.target = target

    def client(self, **options: Any) -> Client:
        defaults: dict[str, Any] = {
            "timeouts": Timeouts(total=10, attempt=5, connect=5),
            "retry": RetryPolicy(initial_delay=0.005, max_delay=0.02),
            "watching": Watching(progress_interval=5),
        }
        return Client(self.target, **{**defaults, **options})


async def serve(service: FakeService, port: int = 0) -> Running:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    session_service_pb2_grpc.add_SessionServiceServicer_to_server(service, server)
    admin_service_pb2_grpc.add_AdminServiceServicer_to_server(service, server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return Running(service, server, f"127.0.0.1:{port}")


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    running = await serve(FakeService())
    try:
        yield running
    finally:
        await running.server.stop(None)


@pytest.fixture
def service(running: Running) -> FakeService:
    return running.service


@asynccontextmanager
async def connected(running: Running, **options: Any) -> AsyncIterator[Client]:
    async with running.client(**options) as client:
        yield client


@pytest.fixture
async def client(running: Running) -> AsyncIterator[Client]:
    async with running.client() as client:
        yield client
