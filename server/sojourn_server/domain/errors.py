"""Every error the service tells its callers about.

    SojournError
    ├── InvalidFieldError          INVALID_FIELD
    ├── TooLargeError              TOO_LARGE
    ├── ConflictError              a session is not as the caller required; one reason each
    ├── NotFoundError              SESSION_NOT_FOUND, SESSION_DELETED, REQUEST_NOT_FOUND, POOL_NOT_FOUND
    ├── LeaseLostError             LEASE_LOST
    ├── QueueTimeoutError          QUEUE_TIMEOUT
    ├── AlreadyExistsError         SESSION_ALREADY_EXISTS
    ├── TemplateExistsError        TEMPLATE_ALREADY_EXISTS
    ├── PositionError              CURSOR_*, HISTORY_ROLLED_BACK, SESSION_REPLACED, SLOW_CONSUMER
    ├── StoreUnavailableError      STORE_UNAVAILABLE: nothing happened
    ├── StoreFullError             STORE_FULL: nothing happened
    ├── OutcomeUnknownError        OUTCOME_UNKNOWN: the write may or may not have happened
    ├── DrainingError              SERVER_DRAINING
    └── LimitExceededError         LIMIT_EXCEEDED

`reason` is the name of an `ErrorReason` of the protos; `metadata` is that reason's ErrorInfo metadata.
The mapping to gRPC status codes is in one place, `rpc/status.py`.
"""

from __future__ import annotations

import secrets


class SojournError(Exception):
    """An error the caller is told about: a reason for programs, a message for people."""

    reason = "INTERNAL"

    def __init__(
        self, message: str, *, reason: str | None = None, retry_after: float | None = None, **metadata: str
    ) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason
        self.retry_after = retry_after
        """Seconds after which trying again makes sense; None when it is for the caller to decide."""
        self.metadata = metadata


def internal_error() -> SojournError:
    """What a caller is told of a defect: an id to ask with. Log the defect itself under `metadata["error_id"]`."""
    error_id = secrets.token_hex(8)
    return SojournError(f"internal error, id={error_id}", error_id=error_id)


class InvalidFieldError(SojournError):
    """A field of the request is not what was expected."""

    reason = "INVALID_FIELD"

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: expected {expected}", field=field, expected=expected)


class TooLargeError(SojournError):
    """A field is larger than the server allows."""

    reason = "TOO_LARGE"

    def __init__(self, field: str, *, actual: int, limit: int, unit: str = "bytes") -> None:
        super().__init__(
            f"{field}: {actual} {unit} is more than the limit of {limit}",
            field=field, limit=str(limit), actual=str(actual), unit=unit,
        )  # fmt: skip


class ConflictError(SojournError):
    """The session is not as the caller required (or as the change needs); its revision is in the metadata."""


class NotFoundError(SojournError):
    """No such session in the caller's tenant, or it was deleted."""

    reason = "SESSION_NOT_FOUND"

    @classmethod
    def missing(cls, session_id: str) -> NotFoundError:
        """The session never was, or was deleted long ago."""
        return cls(f"session {session_id!r} does not exist", session_id=session_id)

    @classmethod
    def deleted(cls, session_id: str, revision: int) -> NotFoundError:
        """The session was deleted within the last 24 hours."""
        return cls(
            f"session {session_id!r} was deleted at revision {revision}",
            reason="SESSION_DELETED", session_id=session_id, revision=str(revision),
        )  # fmt: skip

    @classmethod
    def request(cls, session_id: str, request_id: str) -> NotFoundError:
        """No live request with this id in the session."""
        return cls(
            f"session {session_id!r} has no live request {request_id!r}",
            reason="REQUEST_NOT_FOUND", session_id=session_id, request_id=request_id,
        )  # fmt: skip

    @classmethod
    def invocation(cls, session_id: str, invocation_id: str) -> NotFoundError:
        """The session has no such invocation."""
        return cls(
            f"session {session_id!r} has no invocation {invocation_id!r}",
            reason="INVOCATION_NOT_FOUND", session_id=session_id, invocation_id=invocation_id,
        )  # fmt: skip

    @classmethod
    def artifact(cls, session_id: str, name: str, version: int) -> NotFoundError:
        """The session has no such artifact, or not in this version (0: in none)."""
        which = f" in version {version}" if version else ""
        return cls(
            f"session {session_id!r} has no artifact {name!r}{which}",
            reason="ARTIFACT_NOT_FOUND", session_id=session_id, name=name, version=str(version),
        )  # fmt: skip

    @classmethod
    def upload(cls, session_id: str, upload_id: str) -> NotFoundError:
        """The upload never was, was finished, or is over."""
        return cls(
            f"session {session_id!r} has no upload {upload_id!r}",
            reason="UPLOAD_NOT_FOUND", session_id=session_id, upload_id=upload_id,
        )  # fmt: skip

    @classmethod
    def template(cls, name: str) -> NotFoundError:
        """The tenant has no template of this name."""
        return cls(f"there is no template {name!r}", reason="TEMPLATE_NOT_FOUND", template=name)

    @classmethod
    def pool(cls, name: str) -> NotFoundError:
        """No such pool in the tenant."""
        return cls(f"there is no pool {name!r}", reason="POOL_NOT_FOUND", pool=name)


class RetiredError(NotFoundError):
    """The active store does not have the session any more: it left for another tier within the last hour. Callers
    never see it."""

    def __init__(self, session_id: str, uid: str, revision: int) -> None:
        super().__init__(f"session {session_id!r} is not in the active store", session_id=session_id)
        self.uid, self.revision = uid, revision


class LeaseLostError(SojournError):
    """The request is no longer admitted; its fencing token is refused."""

    reason = "LEASE_LOST"

    def __init__(self, session_id: str, request_id: str, cause: str) -> None:
        super().__init__(
            f"the lease of request {request_id!r} is lost: {cause}",
            session_id=session_id, request_id=request_id, cause=cause,
        )  # fmt: skip


class QueueTimeoutError(SojournError):
    """The request was not admitted within its queue timeout."""

    reason = "QUEUE_TIMEOUT"

    def __init__(self, session_id: str, request_id: str) -> None:
        super().__init__(
            f"request {request_id!r} was not admitted in time", session_id=session_id, request_id=request_id
        )


class AlreadyExistsError(SojournError):
    """A session with this id exists."""

    reason = "SESSION_ALREADY_EXISTS"

    def __init__(self, session_id: str, revision: int) -> None:
        super().__init__(f"session {session_id!r} exists already", session_id=session_id, revision=str(revision))


class MaybeElsewhereError(SojournError):
    """A session was not created because another tier may have one under its id: ask the catalog, then create it with
    `checked`. Callers never see it."""

    def __init__(self, session_id: str, deleted_uid: str) -> None:
        super().__init__(f"the catalog may have session {session_id!r}", session_id=session_id)
        self.deleted_uid = deleted_uid
        """Of the session under this id that was deleted last; empty: none within the last 24 hours. What the catalog
        still has of that one is as good as gone."""


class TemplateExistsError(SojournError):
    """The tenant has a template of this name."""

    reason = "TEMPLATE_ALREADY_EXISTS"

    def __init__(self, name: str) -> None:
        super().__init__(f"template {name!r} exists already", template=name)


class PositionError(SojournError):
    """A position in the event log cannot be used (any more)."""


def is_missing(error: object) -> bool:
    """Whether the active store said that it has nothing under a session's id; another tier may. To somebody who knows a
    cursor of an earlier life of the shard it says that history was rolled back to revision 0."""
    if isinstance(error, NotFoundError):
        return error.reason == NotFoundError.reason
    return (
        isinstance(error, PositionError)
        and error.reason == "HISTORY_ROLLED_BACK"
        and error.metadata.get("revision") == "0"
    )


class StoreUnavailableError(SojournError):
    """The store cannot be reached or is not ready; nothing happened."""

    reason = "STORE_UNAVAILABLE"

    def __init__(self, message: str, *, cause: str) -> None:
        super().__init__(message, retry_after=0.1, cause=cause)


class StoreFullError(SojournError):
    """The store's memory is full; nothing happened."""

    reason = "STORE_FULL"


class OutcomeUnknownError(SojournError):
    """A write was sent and no confirmation came: it may or may not have happened."""

    reason = "OUTCOME_UNKNOWN"


class CatalogUnavailableError(SojournError):
    """The catalog cannot be reached; live work goes on without it."""

    reason = "CATALOG_UNAVAILABLE"

    def __init__(self, message: str) -> None:
        super().__init__(f"the catalog does not answer: {message}", retry_after=1.0)


class BlobsUnavailableError(SojournError):
    """The blob store cannot be reached; live work goes on without it."""

    reason = "BLOBS_UNAVAILABLE"

    def __init__(self, message: str) -> None:
        super().__init__(f"the blob store does not answer: {message}", retry_after=1.0)


class BlobMissingError(SojournError):
    """An object that should be in the blob store is not there."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the blob store has no {path}")
        self.path = path


class FieldChangedError(SojournError):
    """A field of the head is not what a write of the server expected: read it again. Callers never see it."""


class FileInvalidError(SojournError):
    """A file is not one that can be read: truncated, damaged, or made to do harm."""

    reason = "FILE_INVALID"

    def __init__(self, message: str, *, problem: str, frame: int | None = None, offset: int | None = None) -> None:
        where = "" if offset is None else f" (frame {frame}, byte {offset})"
        super().__init__(f"{message}{where}", problem=problem)
        if offset is not None:
            self.metadata |= {"frame": str(frame), "offset": str(offset)}


class ArtifactCorruptError(SojournError):
    """Bytes are not what they should be."""

    reason = "ARTIFACT_CORRUPT"

    def __init__(self, name: str, *, expected: str, actual: str, stored: bool) -> None:
        problem = "damaged" if stored else "not those announced"
        super().__init__(f"the bytes of artifact {name!r} are {problem}", name=name, expected=expected, actual=actual)
        self.stored = stored
        """Whether the blob store's bytes are damaged, rather than those a caller sent."""


class DrainingError(SojournError):
    """This process is shutting down; nothing happened."""

    reason = "SERVER_DRAINING"

    def __init__(self) -> None:
        super().__init__("this server is shutting down", retry_after=0.05)


class LimitExceededError(SojournError):
    """A limit of the server is reached."""

    reason = "LIMIT_EXCEEDED"

    def __init__(self, limit_name: str, limit: float, *, retry_after: float = 1.0) -> None:
        super().__init__(
            f"the limit {limit_name} of {limit} is reached",
            retry_after=retry_after, limit_name=limit_name, limit=str(limit),
        )  # fmt: skip
