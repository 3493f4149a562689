"""The part of the composition that is about files: what takes sessions out, and in."""

from __future__ import annotations

from .archive.files import SessionFiles
from .archive.reading import FileLimits
from .compose_tiers import Tiers
from .domain.limits import Limits
from .ports import ClockPort
from .ports.blobs import BlobStore
from .rpc.codec import ProtoCodec
from .rpc.details import details
from .rpc.imported_events import ImportedEvents
from .rpc.json_lines import JsonLines
from .settings import Settings
from .usecases.exporting import Exporting
from .usecases.history import History
from .usecases.importing import Importing
from .usecases.lifecycle import Places


def make_exporting(tiers: Tiers, history: History, blobs: BlobStore, limits: Limits, settings: Settings) -> Exporting:
    """Writes files."""
    return Exporting(
        tiers.store, history, tiers.archives, JsonLines(limits), blobs, ProtoCodec(), details,
        settings.max_import_bytes,
    )  # fmt: skip


def make_importing(
    tiers: Tiers, places: Places, blobs: BlobStore, clock: ClockPort, limits: Limits, settings: Settings
) -> Importing:
    """Reads files, which may be anybody's."""
    # A session's frame repeats its state in a text form; artifacts come on top of the events.
    file_limits = FileLimits(session_bytes=max(64 << 20, 4 * settings.max_state_bytes))
    return Importing(
        tiers.store, SessionFiles(file_limits), JsonLines(limits), ImportedEvents(limits), tiers.planting, places,
        blobs, ProtoCodec(), clock, settings.max_state_bytes, settings.max_import_bytes, settings.max_artifact_bytes,
    )  # fmt: skip
