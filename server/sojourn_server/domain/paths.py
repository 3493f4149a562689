"""Where things are in the blob store. Paths hold no text of callers: they cannot escape it, or tell anybody anything.

sessions/<uid, 2>/<uid>/snapshot-<revision>-<random>   a session as it was at a revision
sessions/<uid, 2>/<uid>/archive-<revision>-<random>    a session in its final form
artifacts/<tenant digest>/<sha256, 2>/<sha256>         bytes of artifacts, once a tenant
uploads/<tenant digest>/<upload id>/<offset>           parts of uploads that are not finished
incoming/<random>                                      bytes that are being received
"""

from __future__ import annotations

import hashlib
import secrets

SESSIONS, ARTIFACTS, UPLOADS, INCOMING = "sessions", "artifacts", "uploads", "incoming"


def snapshot_path(uid: str, revision: int) -> str:
    """A new path for a snapshot: two that write one at the same time do not meet."""
    return f"{SESSIONS}/{uid[:2]}/{uid}/snapshot-{revision}-{secrets.token_hex(4)}"


def archive_path(uid: str, revision: int) -> str:
    """A new path for an archive."""
    return f"{SESSIONS}/{uid[:2]}/{uid}/archive-{revision}-{secrets.token_hex(4)}"


def session_prefix(uid: str) -> str:
    """What the paths of a session's files begin with."""
    return f"{SESSIONS}/{uid[:2]}/{uid}"


def revision_of(path: str) -> int:
    """The revision that a snapshot or an archive holds its session at; 0 for no path."""
    return int(path.rsplit("/", 1)[-1].split("-")[1]) if path else 0


def artifact_path(tenant: str, sha256: str) -> str:
    """Where bytes with this digest (lower-case hexadecimal) are."""
    return f"{ARTIFACTS}/{tenant_digest(tenant)}/{sha256[:2]}/{sha256}"


def upload_prefix(tenant: str, upload_id: str) -> str:
    """What the paths of an upload's parts begin with."""
    return f"{UPLOADS}/{tenant_digest(tenant)}/{upload_id}"


def incoming_path() -> str:
    """A new path for bytes whose digest is not known yet."""
    return f"{INCOMING}/{secrets.token_hex(16)}"


def tenant_digest(tenant: str) -> str:
    """A tenant's name in paths."""
    return hashlib.sha256(tenant.encode()).hexdigest()[:16]
