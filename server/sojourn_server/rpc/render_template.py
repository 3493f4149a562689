"""Templates as messages."""

from __future__ import annotations

from sojourn.v1 import template_pb2 as tpb

from ..domain.template import Template
from .render import duration, timestamp


def template(found: Template) -> tpb.Template:
    """A template as it is stored."""
    message = tpb.Template(
        name=found.name,
        description=found.description,
        kind=found.kind,
        project=found.project,
        purpose=found.purpose,
        tags=found.tags,
        max_concurrent_requests=found.max_concurrent_requests,
        create_time=timestamp(found.created_us),
    )
    for key, raw in found.metadata.items():
        message.metadata[key].json = raw
    for key, raw in found.state.items():
        message.state[key].json = raw
    if found.idle_timeout_ms is not None:
        message.idle_timeout.CopyFrom(duration(found.idle_timeout_ms * 1000))
    if found.max_lifetime_ms is not None:
        message.max_lifetime.CopyFrom(duration(found.max_lifetime_ms * 1000))
    return message
