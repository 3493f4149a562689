"""Health checks and reflection, as other programs use them."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.support import wire
from tests.support.engines import ValkeyProcess
from tests.support.server import ServerUnderTest

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE = "sojourn.v1.SessionService"
ADMIN = "sojourn.v1.AdminService"
ARTIFACTS = "sojourn.v1.ArtifactService"


async def check(channel, service=""):
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
    return answer.status


async def until(call, status):
    """Reads a health watch until it says so."""
    async with asyncio.timeout(15):
        while (await call.read()).status != status:
            pass


async def test_health_follows_the_store():
    async with (
        ValkeyProcess() as engine,
        ServerUnderTest(redis=engine.url, store_timeout=1) as server,
        wire.channel(server.target) as channel,
    ):
        for service in ("", SERVICE, ADMIN, ARTIFACTS):
            assert await check(channel, service) == SERVING
        call = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        await until(call, SERVING)
        await engine.kill()
        await until(call, NOT_SERVING)
        assert await check(channel) == NOT_SERVING
        await engine.start()
        await until(call, SERVING)
        assert await check(channel) == SERVING
        # One that hangs counts as away, too.
        engine.pause()
        try:
            await until(call, NOT_SERVING)
        finally:
            engine.resume()
        await until(call, SERVING)
        call.cancel()
        assert "store is away" in server.log
        assert "store is back" in server.log


async def reflected(channel, **question):
    """The answer to one question about the services."""

    async def questions():
        yield reflection_pb2.ServerReflectionRequest(**question)

    call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(questions())
    (answer,) = [answer async for answer in call]
    return answer


async def test_reflection_tells_of_every_service():
    async with ServerUnderTest() as server, wire.channel(server.target) as channel:
        answer = await reflected(channel, list_services="")
        assert {service.name for service in answer.list_services_response.service} == {
            SERVICE, ADMIN, ARTIFACTS, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection",
        }  # fmt: skip
        for service in (SERVICE, ADMIN, ARTIFACTS):
            answer = await reflected(channel, file_containing_symbol=service)
            assert answer.file_descriptor_response.file_descriptor_proto


async def test_reflection_can_be_switched_off_and_health_stays():
    async with ServerUnderTest(reflection=False) as server, wire.channel(server.target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await reflected(channel, list_services="")
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert await check(channel, SERVICE) == SERVING


async def test_an_unknown_service_has_no_health():
    async with ServerUnderTest() as server, wire.channel(server.target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await check(channel, "other.Service")
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
