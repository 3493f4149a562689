"""Waiting until what was written is as durable as promised."""

from __future__ import annotations

from .scripts import Command
from .wire import Reply


class Barrier:
    """Confirms what came before it on the same connection: WAITAOF, or WAIT where only replicas count.

    One barrier follows every batch that holds writes (group commit), and their replies are held back until it says yes.
    """

    def __init__(self, *, local: int, replicas: int, timeout_ms: int) -> None:
        self.local, self.replicas = local, replicas
        self.command: Command = ("WAITAOF", local, replicas, timeout_ms) if local else ("WAIT", replicas, timeout_ms)

    def confirmed(self, reply: Reply) -> bool:
        if isinstance(reply, list):
            return bool(reply[0] >= self.local and reply[1] >= self.replicas)
        return isinstance(reply, int) and reply >= self.replicas
