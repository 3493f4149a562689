"""What can go wrong between us and an engine, as the domain's errors."""

from __future__ import annotations

from redis import exceptions as rx

from ..domain.errors import SojournError, StoreFullError, StoreUnavailableError
from .wire import EngineReplyError

REDIRECTS = ("MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN")
"""Codes a cluster answers with before anything happened; the call goes elsewhere or again."""

_CAUSES = {
    "LOADING": ("loading", "the store is loading its data"),
    "READONLY": ("read_only", "the store is read-only"),
    "MISCONF": ("disk", "the store cannot write to its disk"),
    "MASTERDOWN": ("primary_down", "the store's primary is down"),
    "NOREPLICAS": ("no_replicas", "the store has too few replicas"),
    "CLUSTERDOWN": ("cluster_down", "the store's cluster is down"),
    "TRYAGAIN": ("cluster_moving", "the store is moving data"),
    "BUSY": ("busy", "the store is busy with a script"),
    "NOAUTH": ("authentication", "the store refuses our credentials"),
    "WRONGPASS": ("authentication", "the store refuses our credentials"),
    "NOPERM": ("authentication", "the store refuses our credentials"),
}


def domain_error(error: EngineReplyError) -> SojournError:
    """The domain's error for an error reply. Error replies come before a script's first write, so nothing happened.

    Raises the error itself when it is a defect of ours (a script that fails).
    """
    if error.code == "OOM" or "OOM command not allowed" in error.detail:
        return StoreFullError("the store's memory is full")
    if error.code in _CAUSES:
        cause, message = _CAUSES[error.code]
        return StoreUnavailableError(message, cause=cause)
    raise error


def refusal(error: Exception) -> tuple[str, str] | None:
    """Message and cause of what keeps a node that can be reached from being used; None when it cannot be reached."""
    if isinstance(error, StoreUnavailableError):
        return error.message, error.metadata["cause"]
    if isinstance(error, rx.AuthenticationError):
        return _CAUSES["NOAUTH"][1], _CAUSES["NOAUTH"][0]
    if isinstance(error, EngineReplyError) and error.code in _CAUSES:
        cause, message = _CAUSES[error.code]
        return message, cause
    return None


def redirected_to(error: EngineReplyError) -> tuple[str, int]:
    """Host and port of a MOVED or ASK reply; the host may be empty: the node that answered."""
    host, _, port = error.detail.split(" ")[-1].rpartition(":")
    return host, int(port)
