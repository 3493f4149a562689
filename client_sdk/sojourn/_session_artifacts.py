"""Methods of a session's handle that are about its artifacts."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from . import _uploading
from . import artifacts as _artifacts
from ._fencing import fence_of
from .artifacts import ArtifactReader, Data, Told
from .models import Artifact

if TYPE_CHECKING:
    from .client import Client


class ArtifactMethods:
    """Putting, listing and getting artifacts."""

    __slots__ = ()

    id: str
    _client: Client

    async def put_artifact(
        self,
        name: str,
        data: Data,
        *,
        content_type: str | None = None,
        phase: str = "",
        labels: Mapping[str, str] | None = None,
        fencing_token: int | None = None,
        idempotency_key: str | None = None,
        progress: Told | None = None,
    ) -> Artifact:
        """Store bytes and attach them to the session as the next version of their name.

            shot = await session.put_artifact("home.png", png, phase="before")
            await session.put_artifact("trace.zip", Path("trace.zip"), labels={"browser": "firefox"})
            await session.set_result("screenshot", shot.reference())

        Args:
            name: 1 to 256 bytes of any text but control characters; no path is made of it.
            data: bytes; a path (`pathlib.Path`), read in pieces and not to be changed meanwhile; or an iterable of
                bytes, sync or async. More than 32 MiB, and longer iterables, survive broken connections and restarts
                of the server.
            content_type: media type. None: guessed from the name, else the file's.
            phase: phase of the work, for example `before`.
            labels: further labels, at most 64.
            fencing_token: as for `write`.
            idempotency_key: the same key with the same artifact within 24 hours has the first one's result.
            progress: called with the bytes sent and, where it is known, how many there are.

        Raises OSError when the file cannot be read, TooLargeError, BlobsUnavailableError, ArtifactCorruptError when the
        file changed meanwhile, and UploadNotFoundError when what was sent of it was removed.
        """
        fence = fence_of(self._client, self.id) if fencing_token is None else None
        return await _uploading.put(
            self._client._live(),
            self.id,
            name,
            data,
            content_type=content_type,
            phase=phase,
            labels=labels,
            fencing_token=fence.token if fence is not None else fencing_token,
            idempotency_key=idempotency_key,
            progress=progress,
        )

    def artifacts(
        self,
        *,
        name: str = "",
        phase: str = "",
        content_type: str = "",
        newest_only: bool = False,
        limit: int | None = None,
    ) -> AsyncIterator[Artifact]:
        """The artifacts in the order they were attached, whichever tier the session is in.

        Args:
            name, phase: only of this name, of this phase.
            content_type: only of this media type, or of this kind: `image/*`.
            newest_only: only the newest version of each name, of those that match all else.
            limit: at most this many. None: all.

        Raises CatalogUnavailableError.
        """
        return _artifacts.listed(
            self._client._live(),
            self.id,
            name=name,
            phase=phase,
            content_type=content_type,
            newest_only=newest_only,
            limit=limit,
        )

    async def get_artifact(self, name: str, *, version: int | None = None) -> bytes:
        """The bytes of an artifact, verified; of the newest version unless told otherwise.

        Raises ArtifactNotFoundError, ArtifactCorruptError, CatalogUnavailableError, BlobsUnavailableError.
        """
        return b"".join([piece async for piece in self.open_artifact(name, version=version)])

    def open_artifact(
        self, name: str, *, version: int | None = None, offset: int = 0, length: int | None = None
    ) -> ArtifactReader:
        """The bytes of an artifact, or some of them, in pieces: for those that do not fit into memory.

            async for piece in session.open_artifact("trace.zip"): ...

        Args:
            version: None: the newest.
            offset: first byte.
            length: most bytes. None: all from the offset on.

        Raises, from the iteration, what `get_artifact` does, and InvalidFieldError for an offset past the end.
        """
        return ArtifactReader(self._client._live(), self.id, name, version, offset=offset, length=length)

    async def download_artifact(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        version: int | None = None,
        progress: Told | None = None,
    ) -> Artifact:
        """Read an artifact into a file, replacing it; what is known of the artifact.

        The file is whole and verified, or is as it was. What came before an error is kept beside it, in a file with a
        name of its own: downloading again goes on from there.

        Raises what `get_artifact` does, and OSError.
        """
        return await _artifacts.download(self._client._live(), self.id, name, path, version, progress)
