"""Templates as the domain's inputs."""

from __future__ import annotations

from typing import Literal

from sojourn.v1 import template_pb2 as tpb

from ..domain.errors import InvalidFieldError, TooLargeError
from ..domain.limits import Limits, check_kind, check_label, check_text
from ..domain.template import Template, check_template_name
from . import fields
from .pages import decode_name, digest

DESCRIPTION_BYTES = 4_096
MOST_BYTES = 1 << 20
"""Of a template: a session begins with it and with as much again."""


def template(message: tpb.Template, limits: Limits) -> Template:
    """A template to be stored."""
    if (size := message.ByteSize()) > MOST_BYTES:
        raise TooLargeError("template", actual=size, limit=MOST_BYTES)
    if message.max_concurrent_requests < 0:
        raise InvalidFieldError("template.max_concurrent_requests", "zero or more")
    return Template(
        check_template_name(message.name, "template.name"),
        check_text(message.description, "template.description", DESCRIPTION_BYTES),
        check_kind(message.kind) if message.kind else "",
        check_label(message.project, "template.project", limits.label_bytes),
        check_text(message.purpose, "template.purpose", limits.purpose_bytes),
        fields.tags(message.tags, "template.tags", limits),
        fields.values(message.metadata, "template.metadata", limits),
        fields.values(message.state, "template.state", limits),
        _given_ms(message, "idle_timeout"),
        _given_ms(message, "max_lifetime"),
        message.max_concurrent_requests,
    )


def place(tenant: str, request: tpb.ListTemplatesRequest) -> tuple[str, bytes]:
    """The name a list goes on after, and the digest its next token is bound to."""
    bound = digest(tenant, tpb.ListTemplatesRequest())
    return (decode_name(request.page_token, bound) if request.page_token else ""), bound


def _given_ms(message: tpb.Template, field: Literal["idle_timeout", "max_lifetime"]) -> int | None:
    if not message.HasField(field):
        return None
    return fields.milliseconds(getattr(message, field), f"template.{field}")
