"""Memory: the engine's per session, the server's per idle watch. On a server of its own, so nothing else is in it."""

from bench import engine, floors, requests
from bench.processes import Server
from bench.results import Plan, Row, against
from bench.streams import Receivers


async def _idle(server: Server, path: str, bodies: list[bytes]) -> float:
    """Growth of the server's resident memory for each stream that is open and idle, bytes."""
    receivers = Receivers()
    # What the first streams allocate for good is not theirs.
    await receivers.open(server.target, path, bodies[: max(1, len(bodies) // 10)])
    await receivers.close()
    before = server.rss()
    try:
        await receivers.open(server.target, path, bodies)
        return max(0, server.rss() - before) / len(bodies)
    finally:
        await receivers.close()


async def run(server: Server, floor: Server, plan: Plan) -> list[Row]:
    """Bytes. The floor of a session is what was sent for it; the floor of a watch is a bare stream."""
    ids = requests.session_ids("stored", plan.stored_sessions)
    # The scripts are loaded and the connections made before anything is counted.
    warm = requests.session_ids("stored-warm", 8)
    await requests.create_sessions(server.target, warm)
    await requests.append_messages(server.target, warm, 1)
    before = engine.used_memory(server)
    sent = await requests.create_sessions(server.target, ids)
    empty = (engine.used_memory(server) - before) / len(ids)
    rows = [
        Row(
            "memory",
            "engine, empty session",
            "bytes",
            empty,
            "lower",
            None,
            [against("bytes sent", empty, sent / len(ids))],
        )
    ]
    sent += await requests.append_messages(server.target, ids, requests.MESSAGES_READ)
    full = (engine.used_memory(server) - before) / len(ids)
    name = f"engine, session with {requests.MESSAGES_READ} messages"
    rows.append(Row("memory", name, "bytes", full, "lower", None, [against("bytes sent", full, sent / len(ids))]))
    watches = [requests.watch_body(session_id) for session_id in ids[: plan.watchers]]
    bare = await _idle(floor, floors.STREAM, [floors.stream_request(0, b"\x1a\x00", b"")] * len(watches))
    idle = await _idle(server, requests.WATCH, watches)
    rows.append(Row("memory", "server, idle bare stream", "bytes", bare, "lower"))
    rows.append(
        Row("memory", "server, idle watch", "bytes", idle, "lower", None, [against("idle bare stream", idle, bare)])
    )
    return rows
