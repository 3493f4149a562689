"""What the facts of an engine mean for sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..domain.checks import Check, failed, ok, warning
from ..domain.events import Durability
from ..ports.probes import EngineFacts

OLDEST = {"redis": (7, 0), "valkey": (7, 2)}
FULL = 0.9
"""Part of its memory."""


def checks(node: EngineFacts) -> Iterator[Check]:
    """Of one node."""
    yield _version(node)
    yield _memory(node)
    if node.disk_error:
        found = f"{_the(node)}: {node.disk_error} failed"
        yield failed("engine.disk", found, "See whether its disk is full or broken; writes are refused or at risk.")


def durability(level: Durability, nodes: Sequence[EngineFacts]) -> Check:
    """Of what is acknowledged."""
    if level is Durability.REPLICATED:
        least = min(node.replicas for node in nodes)
        found = f"acknowledged writes are on replicas; each node has {least} or more"
        if not least:
            return failed("durability", found, "Writes are refused until the replicas are back.")
        return ok("durability", found)
    if level is Durability.LOCAL_FSYNC:
        return ok("durability", "acknowledged writes are on disk")
    if not all(node.appendonly for node in nodes):
        return warning(
            "durability", "nothing is written to disk: all live sessions are gone when the engine stops",
            "Fine for scratch. Otherwise set `appendonly yes` and `appendfsync always`.",
        )  # fmt: skip
    fsync = next((node.appendfsync for node in nodes if node.appendfsync != "always"), "") or "unknown"
    return warning(
        "durability", f"a crash of the engine may lose the last second or two (appendfsync {fsync})",
        "Set `appendfsync always` in the engine, or `--durability fsync`.",
    )  # fmt: skip


def _version(node: EngineFacts) -> Check:
    found = f"{_the(node)}: {node.product} {node.version}, up {_spent(node.uptime_seconds)}, run {node.run_id[:8]}"
    numbers = tuple(int(part) for part in re.findall(r"\d+", node.version)[:2])
    oldest = OLDEST.get(node.product)
    if oldest and numbers < oldest:
        return failed("engine", found, f"Needs {node.product} {'.'.join(map(str, oldest))} or newer.")
    if oldest is None:
        return warning("engine", found, "Tested are Redis 7.0 and Valkey 7.2, and what is newer.")
    return ok("engine", found)


def _memory(node: EngineFacts) -> Check:
    name, used = "engine.memory", f"{_the(node)}: {_size(node.used_memory)} used"
    if node.evicted_keys:
        return failed(
            name, f"{used}; {node.evicted_keys:,} keys were evicted: parts of sessions are gone",
            "Set `maxmemory-policy noeviction`, and give it more memory.",
        )  # fmt: skip
    limit = f" of {_size(node.maxmemory)}" if node.maxmemory else ", without a limit"
    if node.memory_policy not in ("noeviction", ""):
        found = f"{used}{limit}; when it is full it drops sessions silently (maxmemory-policy {node.memory_policy})"
        return (failed if node.maxmemory else warning)(name, found, "Set `maxmemory-policy noeviction`.")
    if node.maxmemory and node.used_memory > FULL * node.maxmemory:
        advice = "Writes are refused when it is full: give it more, or let sessions leave it earlier."
        return warning(name, used + limit, advice)
    return ok(name, used + limit)


def _the(node: EngineFacts) -> str:
    return f"node {node.node}" if node.node else "the engine"


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.1f} MiB"


def _spent(seconds: int) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
