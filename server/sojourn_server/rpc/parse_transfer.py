"""Exports and imports as callers ask for them."""

from __future__ import annotations

from sojourn.v1 import transfer_pb2 as pb

from ..domain.errors import InvalidFieldError
from ..domain.limits import Limits, check_count, check_name, check_session_id
from ..usecases.exporting import ExportFormat, ExportQuery
from ..usecases.importing import ImportQuery
from .chain import Malformed
from .fields import enum
from .redaction import Redactor

MOST_KEYS = 64
MOST_PATTERNS = 32
PATTERN_BYTES = 512


def export_query(request: pb.ExportSessionRequest, redactor: Redactor | None) -> ExportQuery:
    """What an export writes."""
    chosen = _format(request.format) or ExportFormat.ARCHIVE
    if request.include_artifacts and chosen is not ExportFormat.ARCHIVE:
        raise InvalidFieldError("include_artifacts", "false, but for the archive format")
    return ExportQuery(chosen, request.include_artifacts, redactor.redact if redactor else None)


def redaction(message: pb.Redaction, limits: Limits) -> tuple[list[str], list[str]]:
    """Keys and patterns."""
    for name, items, most, size in (
        ("keys", message.keys, MOST_KEYS, limits.key_bytes),
        ("patterns", message.patterns, MOST_PATTERNS, PATTERN_BYTES),
    ):
        if items:
            check_count(len(items), f"redaction.{name}", most, "items")
        for i, item in enumerate(items):
            check_name(item, f"redaction.{name}[{i}]", size)
    return list(message.keys), list(message.patterns)


def import_query(message: pb.ImportSessionRequest | Malformed | None) -> ImportQuery:
    """What becomes of a file: the first message says it."""
    if isinstance(message, Malformed):
        raise InvalidFieldError("request", "well-formed messages")
    if message is None or not message.HasField("header"):
        raise InvalidFieldError("header", "a header in the first message")
    header = message.header
    if header.session_id:
        check_session_id(header.session_id, "header.session_id")
        if header.new_id:
            raise InvalidFieldError("header.new_id", "false, with a session_id")
    return ImportQuery(header.session_id, header.new_id, header.dry_run, _format(header.format))


def file_data(message: pb.ImportSessionRequest | Malformed) -> bytes:
    """A piece of the file."""
    if isinstance(message, Malformed):
        raise InvalidFieldError("request", "well-formed messages")
    if message.HasField("header"):
        raise InvalidFieldError("header", "one, in the first message")
    return message.data


def _format(number: pb.ExportFormat) -> ExportFormat | None:
    return enum(ExportFormat, number, "format") if number else None
