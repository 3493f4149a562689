"""Tracked requests and pools from the wire to models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sojourn.v1 import request_pb2

from .. import models
from . import vocabulary
from .parse_changes import pool_slot
from .values import to_datetime, to_timedelta


def request(message: request_pb2.Request) -> models.Request:
    """A live request."""
    return models.Request(
        session_id=message.session_id,
        id=message.id,
        name=message.name,
        state=vocabulary.REQUEST_STATE.read(message.state),
        priority=message.priority,
        policy=vocabulary.REQUEST_POLICY.read(message.policy),
        exclusive=message.exclusive,
        user_id=message.user_id,
        project=message.project,
        pool=message.pool,
        fencing_token=message.fencing_token,
        pool_slot=pool_slot(message.pool_slot) if message.HasField("pool_slot") else None,
        position=message.position,
        waiting_for=message.waiting_for,
        lease_ttl=to_timedelta(message.lease_ttl),
        lease_expire_time=to_datetime(message.lease_expire_time) if message.HasField("lease_expire_time") else None,
        begin_time=to_datetime(message.begin_time),
        admit_time=to_datetime(message.admit_time) if message.HasField("admit_time") else None,
        progress=message.progress,
        progress_text=message.progress_text,
        cancel_requested=message.cancel_requested,
        cancel_reason=message.cancel_reason,
    )


def pool(message: request_pb2.Pool) -> models.Pool:
    """A pool."""
    return models.Pool(name=message.name, size=message.size, used=message.used, queued=message.queued)


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits."""

    position: int
    waiting_for: str
    lease_ttl: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request may work."""

    request: models.Request


@dataclass(frozen=True, slots=True)
class Renewed:
    """A heartbeat was answered."""


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody asks the request to stop."""

    reason: str


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """The request is no longer admitted."""

    cause: str


@dataclass(frozen=True, slots=True)
class GoingAway:
    """This worker shuts down; the lease goes on."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The end was recorded."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """What a newer server says."""


TrackMessage = Queued | Admitted | Renewed | CancelRequested | LeaseLost | GoingAway | Finished | Unknown


def track_message(message: Any) -> TrackMessage:
    """One message of a tracked request's stream."""
    kind = message.WhichOneof("message")
    match kind:
        case "queued":
            queued = message.queued
            return Queued(queued.position, queued.waiting_for, to_timedelta(queued.lease_ttl).total_seconds())
        case "admitted":
            return Admitted(request(message.admitted.request))
        case "cancel_requested":
            return CancelRequested(message.cancel_requested.reason)
        case "lease_lost":
            return LeaseLost(message.lease_lost.reason)
        case "renewed":
            return Renewed()
        case "going_away":
            return GoingAway()
        case "finished":
            return Finished()
        case _:
            return Unknown()
