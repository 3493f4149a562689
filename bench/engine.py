"""What the embedded engine says of itself."""

from typing import Any

import redis

from bench.processes import Server

SCRIPT_COMMANDS = ("cmdstat_evalsha", "cmdstat_evalsha_ro", "cmdstat_eval", "cmdstat_eval_ro")


def _info(server: Server, section: str) -> dict[str, Any]:
    with redis.Redis(unix_socket_path=server.engine_socket()) as engine:
        return dict(engine.info(section))


def used_memory(server: Server) -> int:
    """Bytes the engine has allocated."""
    return int(_info(server, "memory")["used_memory"])


def script_calls(server: Server) -> int:
    """How many scripts the engine has run: every step of the service is one. 0 for a server without an engine."""
    if server.engine is None:
        return 0
    stats = _info(server, "commandstats")
    return sum(int(stats[command]["calls"]) for command in SCRIPT_COMMANDS if command in stats)
