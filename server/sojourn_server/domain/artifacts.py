"""Artifacts: named, versioned bytes of sessions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SHA256 = re.compile(r"[0-9a-f]{64}").fullmatch


@dataclass(frozen=True, slots=True)
class Artifact:
    """What is known of an artifact. Sizes in bytes, times in microseconds by the store's clock."""

    session_id: str
    name: str
    version: int
    """From 1; 0 when the writer keeps no versions."""
    content_type: str = ""
    size_bytes: int = 0
    sha256: str = ""
    """Lower-case hexadecimal; whatever the writer said of bytes that are kept elsewhere."""
    phase: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    uri: str = ""
    """Where the bytes are when they are not in our blob store."""
    revision: int = 0
    """Of the event that attached it."""
    position: int = 0
    """Among the changes of that event."""
    created_us: int = 0

    @property
    def is_ours(self) -> bool:
        """Whether its bytes should be in our blob store."""
        return not self.uri and is_sha256(self.sha256)


def is_sha256(text: str) -> bool:
    """Whether it is a SHA-256 as paths and artifacts hold it: writers may put any text in its place."""
    return _SHA256(text) is not None
