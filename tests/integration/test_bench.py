"""The benchmark runs, counts rightly and tells failure from success. Nothing here looks at a time."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import floors, requests, tracked
from bench.__main__ import GROUPS
from bench.bidi import IdleStreams, Splitter
from bench.connection import BenchError, connect
from bench.frames import grpc_message
from bench.h2load import Caller, UnaryLoad
from bench.processes import Server, start_server
from bench.report import TARGETS
from bench.results import TINY
from bench.rounds import pair_load, trip_load
from bench.streams import Receivers, count_events
from sojourn.v1 import event_pb2
from sojourn.v1 import session_service_pb2 as service_pb2

ROOT = Path(__file__).parents[2]
MARKER = b"\x1a\x00"


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(["-m", "bench.floors"], tmp_path_factory.mktemp("floor"))
    yield server
    server.stop()


def event_message(events: int) -> bytes:
    event = event_pb2.Event(session_id="s", revision=7, writer="w" * 300)
    return service_pb2.WatchSessionResponse(events=[event] * events).SerializeToString()


async def test_load_counts_every_answered_call(floor: Server) -> None:
    message = grpc_message(floors.reply_request(250, 60))
    load = UnaryLoad(floor.target, floors.REPLY, lambda: itertools.repeat(message), 130)
    result = await load.measure(0.2, warmup=0.05, cpu=floor.meter())
    assert result.calls > 0
    assert len(result.latencies) == result.calls
    assert load.sample == b"\xaa" * 60


async def test_load_refuses_failed_calls(floor: Server) -> None:
    load = UnaryLoad(floor.target, "/bench.Floor/Unknown", lambda: itertools.repeat(grpc_message(b"abcd")), 3)
    with pytest.raises(BenchError, match="failed, trailers"):
        await load.measure(0.2, warmup=0.05, cpu=floor.meter())


async def test_load_refuses_empty_answers(floor: Server) -> None:
    message = grpc_message(floors.reply_request(250, 0))
    load = UnaryLoad(floor.target, floors.REPLY, lambda: itertools.repeat(message), 3)
    with pytest.raises(BenchError, match="failed, trailers"):
        await load.measure(0.2, warmup=0.05, cpu=floor.meter())


async def test_a_request_larger_than_a_frame_arrives_whole(floor: Server) -> None:
    caller = await connect(Caller(floors.REPLY, floor.target), floor.target)
    assert await caller.call(floors.reply_request(50_000, 40_000)) == b"\xaa" * 40_000
    await caller.close()


async def test_a_request_no_window_takes_is_refused(floor: Server) -> None:
    caller = await connect(Caller(floors.REPLY, floor.target), floor.target)
    with pytest.raises(BenchError, match="does not fit"):
        caller.open_stream(bytes(70_000))
    await caller.close()


@pytest.mark.parametrize("events", [0, 1, 3])
def test_events_of_a_message_are_counted_as_protobuf_counts_them(events: int) -> None:
    message = event_message(events)
    assert count_events(message) == len(service_pb2.WatchSessionResponse.FromString(message).events) == events


def test_what_is_no_watch_message_is_refused() -> None:
    with pytest.raises(BenchError, match="not a watch"):
        count_events(b"\x08\x01")


async def test_streams_deliver_every_event_once(floor: Server) -> None:
    receivers = Receivers()
    # More streams than one connection takes, and messages larger than a read.
    body = floors.stream_request(20, MARKER, event_message(30))
    await receivers.open(floor.target, floors.STREAM, [body] * 120)
    assert receivers.events == 0
    go = await connect(Caller(floors.GO, floor.target), floor.target)
    await go.call(b"")
    await receivers.until_events(120 * 20 * 30)
    assert receivers.per_stream() == [600] * 120
    assert receivers.messages == 120 * 21
    assert len(receivers.connections) == 2
    await receivers.close()
    await go.close()


async def test_a_stream_that_ends_is_noticed(floor: Server) -> None:
    receivers = Receivers()
    with pytest.raises(BenchError, match="ended, trailers"):
        await receivers.open(floor.target, "/bench.Floor/Unknown", [b"abcd"])
    await receivers.close()


def test_keyed_writes_parse_and_never_repeat_a_key() -> None:
    ids = requests.session_ids("keys", 3)
    keys = set()
    for number, framed in enumerate(itertools.islice(requests.keyed_writes(ids), 50)):
        parsed = service_pb2.WriteSessionRequest.FromString(framed[5:])
        assert int.from_bytes(framed[1:5]) == len(framed) - 5
        assert parsed.session_id == ids[number % 3]
        keys.add(parsed.idempotency_key)
    assert len(keys) == 50


def test_messages_are_put_together_from_any_pieces() -> None:
    messages = [b"", b"one", b"x" * 70_000]
    data = b"".join(map(grpc_message, messages))
    for size in (1, 7, len(data)):
        splitter = Splitter()
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        assert [message for piece in pieces for message in splitter.feed(1, piece)] == messages


async def test_a_pair_is_two_calls_one_after_the_other(floor: Server) -> None:
    messages = tuple(grpc_message(floors.reply_request(60, reply)) for reply in (80, 8))
    load = pair_load(floor.target, (floors.REPLY, floors.REPLY), lambda: itertools.repeat(messages), 70)
    result = await load.measure(0.2, warmup=0.05, cpu=floor.meter())
    assert result.calls == len(result.latencies) > 0
    assert load.sample == b"\xaa" * 80


async def test_the_second_call_of_a_pair_may_fail_it(floor: Server) -> None:
    messages = tuple(grpc_message(floors.reply_request(60, 8)) for _ in range(2))
    load = pair_load(floor.target, (floors.REPLY, "/bench.Floor/Unknown"), lambda: itertools.repeat(messages), 3)
    with pytest.raises(BenchError, match="failed, trailers"):
        await load.measure(0.2, warmup=0.05, cpu=floor.meter())


async def test_a_trip_is_a_stream_with_two_answers(floor: Server) -> None:
    messages = tuple(grpc_message(floors.reply_request(60, reply)) for reply in (300, 8))
    load = trip_load(floor.target, floors.ECHO, lambda: itertools.repeat(messages), 70, (b"\xaa", b"\xaa"))
    result = await load.measure(0.2, warmup=0.05, cpu=floor.meter())
    assert result.calls == len(result.latencies) > 0
    assert load.sample == b"\xaa" * 300


async def test_a_trip_with_another_answer_than_expected_is_refused(floor: Server) -> None:
    messages = tuple(grpc_message(floors.reply_request(60, 8)) for _ in range(2))
    load = trip_load(floor.target, floors.ECHO, lambda: itertools.repeat(messages), 3, (b"\xaa", tracked.FINISHED))
    with pytest.raises(BenchError, match="answered"):
        await load.measure(0.2, warmup=0.05, cpu=floor.meter())


async def test_idle_streams_send_their_heartbeats_in_turn(floor: Server) -> None:
    streams = IdleStreams(b"\xaa")
    # More than one connection takes.
    await streams.open(floor.target, floors.ECHO, [floors.reply_request(100, 90)] * 120)
    assert await streams.beat(floors.reply_request(4, 12), 0.1, 0.2) >= 120
    assert streams.sizes == (90, 12)
    await streams.finish(floors.reply_request(4, 1))
    await streams.close()


def test_each_tracked_request_has_an_id_of_its_own() -> None:
    ids = requests.session_ids("tracked", 3)
    seen = set()
    for number, (first, last) in enumerate(itertools.islice(tracked.pairs(ids), 30)):
        begin = service_pb2.BeginRequestRequest.FromString(first[5:])
        finish = service_pb2.FinishRequestRequest.FromString(last[5:])
        assert begin.session_id == finish.session_id == ids[number % 3]
        assert begin.request_id == finish.request_id
        seen.add(begin.request_id)
    for first, _ in itertools.islice(tracked.trips(ids), 30):
        assert int.from_bytes(first[1:5]) == len(first) - 5
        seen.add(service_pb2.TrackRequestRequest.FromString(first[5:]).begin.request_id)
    assert len(seen) == 60


@pytest.mark.timeout(180)
def test_the_whole_benchmark_in_small(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--plan", "tiny", "--out", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = tmp_path.iterdir()  # the scratch directory is gone
    content = json.loads(path.read_text())
    assert content["skipped"] == {}
    assert content["plan"]["name"] == TINY.name
    assert {row["group"] for row in content["rows"]} == set(GROUPS)
    for row in content["rows"]:
        assert row["value"] >= 0, row
        assert row["name"] in done.stdout or row["name"].split()[0] in done.stdout
        assert all(floor["name"] and floor["ratio"] >= 0 for floor in row["floors"]), row
    assert len(content["targets"]) == len(TARGETS)
