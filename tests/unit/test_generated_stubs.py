"""The checked-in stubs are of the service as it is: without the SDK, and without asyncio, they reach every call."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import grpc_testing
import pytest

from sojourn.v1 import session_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn.v1.session_service_pb2_grpc import SessionServiceStub

SERVICE = pb.DESCRIPTOR.services_by_name["SessionService"]


@pytest.fixture
def channel():
    return grpc_testing.channel([SERVICE], grpc_testing.strict_real_time())


def test_a_unary_call(channel):
    with ThreadPoolExecutor(1) as caller:
        reply = caller.submit(SessionServiceStub(channel).GetSession, pb.GetSessionRequest(session_id="s"))
        _, request, call = channel.take_unary_unary(SERVICE.methods_by_name["GetSession"])
        assert request.session_id == "s"
        call.send_initial_metadata(())
        answer = pb.GetSessionResponse(session=session_pb2.Session(id="s", revision=3))
        call.terminate(answer, (), grpc.StatusCode.OK, "")
        assert reply.result(timeout=5).session.revision == 3


def test_a_watch(channel):
    watch = SessionServiceStub(channel).WatchSession(pb.WatchSessionRequest(session_id="s", snapshot=True))
    _, request, call = channel.take_unary_stream(SERVICE.methods_by_name["WatchSession"])
    assert request.snapshot
    call.send_initial_metadata(())
    call.send_response(pb.WatchSessionResponse(snapshot=session_pb2.Session(id="s")))
    call.terminate((), grpc.StatusCode.OK, "")
    assert [message.snapshot.id for message in watch] == ["s"]


def test_every_call_of_the_service_has_a_stub(channel):
    stub = SessionServiceStub(channel)
    assert [name for name in SERVICE.methods_by_name if not hasattr(stub, name)] == []
