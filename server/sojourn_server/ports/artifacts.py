"""The port of the catalog's artifacts. Every method may raise CatalogUnavailableError."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..domain.artifacts import Artifact
from ..domain.session import Session, SessionKey

ArtifactPlace = tuple[int, int]
"""(revision, position) of the change that attached an artifact."""


@dataclass(frozen=True, slots=True)
class ArtifactFilter:
    """Conditions combined with AND; an empty condition selects everything."""

    name: str = ""
    phase: str = ""
    content_type: str = ""
    """A media type, or a kind of them: `image/*`."""
    newest_only: bool = False
    """The newest version of each name, of those that match all else."""


class ArtifactCatalog(Protocol):
    """The artifacts of sessions, whichever tier they are in."""

    async def get(self, key: SessionKey) -> Session | None:
        """The session's row, without state and results."""
        ...

    async def artifacts(
        self, uid: str, wanted: ArtifactFilter, *, after: ArtifactPlace | None, count: int
    ) -> list[Artifact]:
        """Artifacts of a session that match, in the order they were attached, strictly after a place in it."""
        ...

    async def artifact(self, uid: str, name: str, version: int) -> Artifact | None:
        """The artifact of a session with this name and version; version 0: the one attached last."""
        ...
