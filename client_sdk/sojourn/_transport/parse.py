"""From the wire to models."""

from __future__ import annotations

from sojourn.v1 import event_pb2, session_pb2, session_service_pb2

from .. import models
from . import vocabulary
from .parse_changes import change, usage, values
from .values import to_datetime, to_timedelta


def session(message: session_pb2.Session) -> models.Session:
    """The session, without state and results when the message has none."""
    counters = message.counters
    return models.Session(
        id=message.id,
        uid=message.uid,
        kind=message.kind,
        user_id=message.user_id,
        project=message.project,
        purpose=message.purpose,
        tags=tuple(message.tags),
        metadata=values(message.metadata),
        status=vocabulary.SESSION_STATUS.read(message.status),
        error=message.error,
        revision=message.revision,
        create_time=to_datetime(message.create_time),
        update_time=to_datetime(message.update_time),
        end_time=to_datetime(message.end_time) if message.HasField("end_time") else None,
        state=values(message.state),
        results=values(message.results),
        counters=models.Counters(
            messages=counters.messages,
            invocations=counters.invocations,
            open_invocations=counters.open_invocations,
            failed_invocations=counters.failed_invocations,
            steps=counters.steps,
            logs=counters.logs,
            artifacts=counters.artifacts,
        ),
        usage=usage(message.usage),
        tools=dict(message.tools),
        steps={name: step_summary(step) for name, step in message.steps.items()},
        parent=message.parent,
        idle_timeout=to_timedelta(message.idle_timeout) if message.HasField("idle_timeout") else None,
        max_lifetime=to_timedelta(message.max_lifetime) if message.HasField("max_lifetime") else None,
        max_concurrent_requests=message.max_concurrent_requests,
        expire_time=to_datetime(message.expire_time) if message.HasField("expire_time") else None,
        storage=storage(message.storage),
        cursor=message.cursor.token,
        admitted_requests=message.admitted_requests,
        queued_requests=message.queued_requests,
        connection_count=message.connection_count,
    )


def storage(message: session_pb2.Storage) -> models.Storage:
    """Where a session's data is."""
    return models.Storage(
        tier=vocabulary.TIER.read(message.tier),
        snapshot_path=message.snapshot_path,
        archive_path=message.archive_path,
    )


def event(message: event_pb2.Event) -> models.Event:
    """The event with all its changes."""
    return models.Event(
        session_id=message.session_id,
        revision=message.revision,
        commit_time=to_datetime(message.commit_time),
        cursor=message.cursor.token,
        writer=message.writer,
        changes=tuple([change(item) for item in message.changes]),
    )


def deleted(message: session_service_pb2.SessionDeleted) -> models.SessionDeleted:
    """The news of a deletion."""
    return models.SessionDeleted(session_id=message.session_id, uid=message.uid, revision=message.revision)


def archived(message: session_service_pb2.SessionArchived) -> models.SessionArchived:
    """The news that a session left the active store."""
    return models.SessionArchived(session_id=message.session_id, revision=message.revision)


def write_result(message: session_service_pb2.WriteSessionResponse) -> models.WriteResult:
    """What a write became."""
    return models.WriteResult(
        revision=message.revision,
        commit_time=to_datetime(message.commit_time),
        cursor=message.cursor.token,
        durability=vocabulary.DURABILITY.read(message.durability),
        replayed=message.replayed,
    )


def step_summary(message: session_pb2.StepSummary) -> models.StepSummary:
    """The last outcome of a step."""
    return models.StepSummary(
        run=message.run,
        status=vocabulary.STEP_STATUS.read(message.status),
        duration=to_timedelta(message.duration) if message.HasField("duration") else None,
    )
