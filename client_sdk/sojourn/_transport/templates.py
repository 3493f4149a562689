"""Templates: their calls, from arguments to the wire and from the wire to models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sojourn.v1 import template_pb2 as pb

from ..config import Seconds
from ..templates import Template
from .parse_changes import values
from .render import fill_values, texts
from .values import to_datetime, to_duration, to_timedelta

if TYPE_CHECKING:
    from .calls import Calls


class TemplateCalls:
    """The methods of templates, on the channel of `Calls`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._create = calls.unary("CreateTemplate", pb.CreateTemplateRequest, pb.CreateTemplateResponse)
        self._get = calls.unary("GetTemplate", pb.GetTemplateRequest, pb.GetTemplateResponse)
        self._list = calls.unary("ListTemplates", pb.ListTemplatesRequest, pb.ListTemplatesResponse)
        self._delete = calls.unary("DeleteTemplate", pb.DeleteTemplateRequest, pb.DeleteTemplateResponse)

    async def create(self, request: pb.CreateTemplateRequest, timeout: float) -> Template:
        """Store a template."""
        return _template((await self._calls.call(self._create, request, timeout)).template)

    async def get(self, name: str, timeout: float) -> Template:
        """One template."""
        response = await self._calls.call(self._get, pb.GetTemplateRequest(name=name), timeout)
        return _template(response.template)

    async def list(self, page_size: int, page_token: str, timeout: float) -> tuple[list[Template], str]:
        """One page of templates, and the token of the next."""
        request = pb.ListTemplatesRequest(page_size=page_size, page_token=page_token)
        response = await self._calls.call(self._list, request, timeout)
        return [_template(item) for item in response.templates], response.next_page_token

    async def delete(self, name: str, timeout: float) -> None:
        """Remove a template."""
        await self._calls.call(self._delete, pb.DeleteTemplateRequest(name=name), timeout)


def create_request(
    *,
    name: str,
    description: str,
    kind: str,
    project: str,
    purpose: str,
    tags: Iterable[str],
    metadata: Mapping[str, Any] | None,
    state: Mapping[str, Any] | None,
    idle_timeout: Seconds | None,
    max_lifetime: Seconds | None,
    max_concurrent_requests: int,
    replace: bool,
) -> pb.CreateTemplateRequest:
    """A CreateTemplateRequest."""
    message = pb.Template(
        name=name,
        description=description,
        kind=kind,
        project=project,
        purpose=purpose,
        tags=texts(tags, "tags"),
        max_concurrent_requests=max_concurrent_requests,
    )
    fill_values(message.metadata, metadata, "metadata")
    fill_values(message.state, state, "state")
    if idle_timeout is not None:
        message.idle_timeout.CopyFrom(to_duration(idle_timeout, "idle_timeout"))
    if max_lifetime is not None:
        message.max_lifetime.CopyFrom(to_duration(max_lifetime, "max_lifetime"))
    return pb.CreateTemplateRequest(template=message, replace=replace)


def _template(message: pb.Template) -> Template:
    return Template(
        name=message.name,
        description=message.description,
        kind=message.kind,
        project=message.project,
        purpose=message.purpose,
        tags=tuple(message.tags),
        metadata=values(message.metadata),
        state=values(message.state),
        idle_timeout=to_timedelta(message.idle_timeout) if message.HasField("idle_timeout") else None,
        max_lifetime=to_timedelta(message.max_lifetime) if message.HasField("max_lifetime") else None,
        max_concurrent_requests=message.max_concurrent_requests,
        create_time=to_datetime(message.create_time) if message.HasField("create_time") else None,
    )
