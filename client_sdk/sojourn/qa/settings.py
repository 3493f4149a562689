"""What the environment says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .._transport.values import invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class QASettings:
    """Where things are kept, and how much. Arguments of clients and managers go before these."""

    results_dir: Path = Path("results")
    """Directory of the runs' logs, screenshots and summaries. QA_RESULTS_DIR."""
    memory_dir: Path = Path("memory")
    """Data directory of the embedded server, which is used when there is no other. QA_MEMORY_DIR."""
    max_active_sessions: int = 10
    """How many active sessions a cleanup leaves that does not say. QA_MAX_ACTIVE_SESSIONS."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> QASettings:
        """Read the variables; one that is empty counts as not set. Raises InvalidFieldError."""
        most = environment.get("QA_MAX_ACTIVE_SESSIONS") or "10"
        if not most.isascii() or not most.isdigit():
            raise invalid("QA_MAX_ACTIVE_SESSIONS", "a whole number from 0 on")
        return cls(
            results_dir=Path(environment.get("QA_RESULTS_DIR") or "results"),
            memory_dir=Path(environment.get("QA_MEMORY_DIR") or "memory"),
            max_active_sessions=int(most),
        )
