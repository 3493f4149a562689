"""What gRPC makes of a stream that ends in an untidy way."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from sojourn import ClientClosedError, PreconditionError, ServerUnreachableError
from sojourn._transport import render_requests
from sojourn._transport.calls import Calls
from sojourn._transport.parse_requests import Queued
from sojourn.v1 import session_service_pb2 as pb
from sojourn.v1 import session_service_pb2_grpc


class Abrupt(session_service_pb2_grpc.SessionServiceServicer):
    """Lives in threads of its own: it goes on while the client's loop stands still."""

    def TrackRequest(self, requests, context):  # noqa: N802 - named by the protos
        next(requests)
        yield pb.TrackRequestResponse(queued=pb.Queued(position=1))
        time.sleep(0.1)
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the reason")


@pytest.fixture
async def calls():
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    session_service_pb2_grpc.add_SessionServiceServicer_to_server(Abrupt(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    calls = Calls(grpc.aio.insecure_channel(f"127.0.0.1:{port}"), ())
    yield calls
    await calls.close()
    server.stop(None)


async def test_a_late_write_hides_why_the_stream_ended(calls: Calls):
    """This process stood still while the stream ended, and writes first. That is no internal error of the server: gRPC
    tells the reason, or, mostly, loses it."""
    stream = calls.tracking.track()
    assert await stream.send(render_requests.heartbeat())
    assert await stream.read() == Queued(1, "", 0.0)
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 - the loop is to stand still
    assert not await stream.send(render_requests.heartbeat())
    with pytest.raises((ServerUnreachableError, PreconditionError)):
        await reading


async def test_a_stream_ended_here_ends_its_reader_in_good_order(calls: Calls):
    stream = calls.tracking.track()
    assert await stream.send(render_requests.heartbeat())
    assert await stream.read() is not None
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    stream.cancel()
    assert await reading is None
    assert not await stream.send(render_requests.heartbeat())


async def test_the_cancellation_of_a_reader_is_not_swallowed(calls: Calls):
    stream = calls.tracking.track()
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_closed_channel_ends_streams_and_opens_none(calls: Calls):
    stream = calls.tracking.track()
    assert await stream.send(render_requests.heartbeat())
    assert await stream.read() is not None
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    await calls.close()
    with pytest.raises(ClientClosedError):
        await reading
    with pytest.raises(ClientClosedError):
        calls.tracking.track()
