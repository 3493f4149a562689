"""What can go wrong between us and an engine, as the domain's errors."""

from __future__ import annotations

from redis import exceptions as rx

from ..domain.errors import SojournError, StoreFullError, StoreUnavailableError

REDIRECTS = (rx.MovedError, rx.AskError, rx.TryAgainError, rx.ClusterDownError)
"""Errors a cluster answers with before anything happened; the call goes elsewhere or again."""

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


def domain_error(error: rx.ResponseError | rx.ConnectionError) -> SojournError:
    """The domain's error for an error reply. Error replies come before a script's first write, so nothing happened.

    Raises the error itself when it is a defect of ours (a script that fails).
    """
    code = str(error).split(" ", 1)[0]
    if isinstance(error, rx.OutOfMemoryError) or code == "OOM" or "OOM command not allowed" in str(error):
        return StoreFullError("the store's memory is full")
    for exception, name in _BY_CLASS:
        if isinstance(error, exception):
            code = name
    if code in _CAUSES:
        cause, message = _CAUSES[code]
        return StoreUnavailableError(message, cause=cause)
    raise error


_BY_CLASS: tuple[tuple[type[Exception], str], ...] = (
    (rx.BusyLoadingError, "LOADING"),
    (rx.ReadOnlyError, "READONLY"),
    (rx.MasterDownError, "MASTERDOWN"),
    (rx.ClusterDownError, "CLUSTERDOWN"),
    (rx.TryAgainError, "TRYAGAIN"),
    (rx.AuthenticationError, "NOAUTH"),
    (rx.NoPermissionError, "NOPERM"),
)
"""redis-py cuts the code off the message of these."""
