"""Requests that cannot be served: each gives its documented error on the wire and changes nothing."""

import pytest

from sojourn.v1 import event_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb
from tests.support import wire
from tests.support.wire import check, create, failure, incremented, message, revision, state_set, watch_failure, write

MIB = 1 << 20


def raw_state(json):
    return event_pb2.Change(state_set=event_pb2.StateSet(values={"k": session_pb2.Value(json=json)}))


def change(**kind):
    return event_pb2.Change(**kind)


MALFORMED = {
    "no-changes": ([], "changes"),
    "empty-change": ([change()], "changes[0]"),
    "server-kind": ([change(status_changed=event_pb2.StatusChanged(status=2))], "changes[0]"),
    "server-kind-second": ([incremented("n"), change(restored=event_pb2.Restored())], "changes[1]"),
    "empty-key": ([state_set(**{"": 1})], "changes[0].state_set.values key"),
    "control-character": ([state_set(**{"a\nb": 1})], "changes[0].state_set.values key"),
    "no-role": (
        [change(message_appended=event_pb2.MessageAppended(content="x"))],
        "changes[0].message_appended.role",
    ),
    "not-json": ([raw_state(b"{")], 'changes[0].state_set.values["k"]'),
    "empty-value": ([raw_state(b"")], 'changes[0].state_set.values["k"]'),
    "not-utf-8": ([raw_state(b'"\xff"')], 'changes[0].state_set.values["k"]'),
    "nan": ([raw_state(b"NaN")], 'changes[0].state_set.values["k"]'),
    "too-deep": ([raw_state(b"[" * 33 + b"]" * 33)], 'changes[0].state_set.values["k"]'),
    "much-too-deep": ([raw_state(b"[" * 500_000 + b"]" * 500_000)], 'changes[0].state_set.values["k"]'),
    "second-of-two": ([incremented("n"), incremented("")], "changes[1].state_incremented.key"),
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_malformed_write_names_its_field(stub, sid, case):
    changes, field = MALFORMED[case]
    await create(stub, sid)
    found = await failure(stub.WriteSession(pb.WriteSessionRequest(session_id=sid, changes=changes)))
    check(found, "INVALID_ARGUMENT", "INVALID_FIELD")
    assert found.metadata["field"] == field
    assert await revision(stub, sid) == 1


TOO_LARGE = {
    "value": ([raw_state(b'"%s"' % (b"x" * MIB))], 'changes[0].state_set.values["k"]', MIB, MIB + 2, "bytes"),
    "key": ([state_set(**{"k" * 257: 1})], "changes[0].state_set.values key", 256, 257, "bytes"),
    "text": ([message("x" * (MIB + 1))], "changes[0].message_appended.content", MIB, MIB + 1, "bytes"),
    "changes": ([incremented("n")] * 1001, "changes", 1000, 1001, "changes"),
    "fields": ([state_set(**{f"k{n}": 1 for n in range(10_001)})], "changes", 10_000, 10_001, "fields"),
}


@pytest.mark.parametrize("case", TOO_LARGE)
async def test_what_is_too_large_says_how_large_it_may_be(stub, sid, case):
    changes, field, limit, actual, unit = TOO_LARGE[case]
    await create(stub, sid)
    found = await failure(stub.WriteSession(pb.WriteSessionRequest(session_id=sid, changes=changes)))
    check(found, "INVALID_ARGUMENT", "TOO_LARGE")
    assert found.metadata == {"field": field, "limit": str(limit), "actual": str(actual), "unit": unit}
    assert await revision(stub, sid) == 1


async def test_a_whole_write_may_be_3_mib(stub, sid):
    await create(stub, sid)
    found = await failure(stub.WriteSession(write(sid, *[message("x" * 1_000_000)] * 4)))
    check(found, "INVALID_ARGUMENT", "TOO_LARGE")
    assert (found.metadata["field"], found.metadata["limit"]) == ("changes", str(3 * MIB))
    assert (await stub.WriteSession(write(sid, *[message("x" * 1_000_000)] * 3))).revision == 2


async def test_a_message_above_4_mib_is_refused_and_the_connection_lives(stub, sid):
    await create(stub, sid)
    found = await failure(stub.WriteSession(write(sid, *[message("x" * MIB)] * 4)))
    # gRPC itself refuses it, before there is a request to explain.
    assert (found.code, found.reason) == ("RESOURCE_EXHAUSTED", "")
    assert await revision(stub, sid) == 1


@pytest.mark.parametrize("method", [m.name for m in pb.DESCRIPTOR.services_by_name["SessionService"].methods])
async def test_bytes_that_are_no_message_are_refused_by_every_call(server, method):
    async with wire.channel(server.target) as channel:
        path = f"/sojourn.v1.SessionService/{method}"
        garbage = b"\x0a\xff\xff\xff\xff\x0f"  # a string of 4 GiB that never comes
        if method.startswith("Watch"):
            found = await watch_failure(channel.unary_stream(path)(garbage))
        else:
            found = await failure(channel.unary_unary(path)(garbage))
    check(found, "INVALID_ARGUMENT", "INVALID_FIELD")
    assert found.metadata["field"] == "request"


@pytest.mark.parametrize("bad", ["", "-a", "a/b", "a b", "a{b}", "ü", "a" * 129, "../x", "a:b"])
async def test_ids_with_a_wrong_syntax(stub, bad):
    calls = [
        stub.GetSession(pb.GetSessionRequest(session_id=bad)),
        stub.WriteSession(write(bad)),
        stub.DeleteSession(pb.DeleteSessionRequest(session_id=bad)),
        stub.CompleteSession(pb.CompleteSessionRequest(session_id=bad)),
        stub.ListEvents(pb.ListEventsRequest(session_id=bad)),
    ]
    if bad:
        calls.append(stub.CreateSession(pb.CreateSessionRequest(session_id=bad)))
    for call in calls:
        found = await failure(call)
        check(found, "INVALID_ARGUMENT", "INVALID_FIELD")
        assert found.metadata["field"] == "session_id"
