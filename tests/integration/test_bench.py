"""The benchmark runs, counts rightly and tells failure from success. Nothing here looks at a time."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import floors, requests
from bench.connection import BenchError, connect
from bench.frames import grpc_message
from bench.h2load import Caller, UnaryLoad
from bench.processes import Server, start_server
from bench.report import TARGETS
from bench.results import TINY
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


def test_the_whole_benchmark_in_small(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--plan", "tiny", "--out", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = tmp_path.iterdir()  # the scratch directory is gone
    content = json.loads(path.read_text())
    assert content["skipped"] == {}
    assert content["plan"]["name"] == TINY.name
    assert {row["group"] for row in content["rows"]} == {"unary", "coalesced", "fanout", "latency", "memory"}
    for row in content["rows"]:
        assert row["value"] >= 0, row
        assert row["name"] in done.stdout or row["name"].split()[0] in done.stdout
        assert all(floor["name"] and floor["ratio"] >= 0 for floor in row["floors"]), row
    assert len(content["targets"]) == len(TARGETS)
