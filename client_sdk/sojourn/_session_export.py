"""What a session's handle does with files: a part of `SessionHandle`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

from . import _directory, _transfer
from .models import ExportResult

if TYPE_CHECKING:
    from .artifacts import Told
    from .client import Client
    from .session import SessionHandle


class ExportMethods:
    """Writing the session to a file, or to a directory."""

    __slots__ = ()

    id: str
    _client: Client

    async def export(
        self,
        target: str | os.PathLike[str] | BinaryIO,
        *,
        format: Literal["archive", "jsonl"] = "archive",  # noqa: A002 - what everybody calls it
        artifacts: bool = False,
        redact_keys: Iterable[str] = (),
        redact_patterns: Iterable[str] = (),
        progress: Told | None = None,
    ) -> ExportResult:
        """Write the session, as it is now, to a file that `Client.import_session` reads, here or elsewhere.

            await session.export("run-7.sojourn", artifacts=True)
            await session.export("run-7.jsonl", format="jsonl", redact_keys=["password"], redact_patterns=["[0-9]{16}"])

        Args:
            target: a path, replaced when the file is whole; or a binary file, open for writing.
            format: `archive`, compressed and checksummed frame by frame; or `jsonl`, an event a line.
            artifacts: with the bytes of its artifacts (archive only). They are not redacted.
            redact_keys: keys of JSON objects, of state, metadata and results whose values become `[redacted]`; upper
                and lower case are the same. At most 64.
            redact_patterns: regular expressions (RE2 syntax); what they match in any text becomes `[redacted]`. Names
                and ids stay. At most 32.
            progress: called with the bytes written so far.

        Raises SessionNotFoundError, InvalidFieldError, CatalogUnavailableError, BlobsUnavailableError, OSError.
        """
        return await _transfer.export(
            self._client._live(),
            self.id,
            target,
            format,
            artifacts=artifacts,
            redact_keys=redact_keys,
            redact_patterns=redact_patterns,
            progress=progress,
        )

    async def export_directory(
        self, path: str | os.PathLike[str], *, artifacts: bool = True, progress: Told | None = None
    ) -> Path:
        """Write the session as files for people and scripts into a new directory below `path`, named after its id: its
        facts, conversation, events, invocations (by number, and by tool) and artifacts. Returns that directory.

        Names in the session become safe file names. `progress` is called with the events written and how many there
        are. Raises FileExistsError when the directory is there, OSError, SessionNotFoundError.
        """
        return await _directory.export_directory(
            cast("SessionHandle", self), path, artifacts=artifacts, progress=progress
        )
