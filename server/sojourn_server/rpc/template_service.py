"""The part of the SessionService that keeps templates: parse, one use case, render."""

from __future__ import annotations

from dataclasses import dataclass

from sojourn.v1 import template_pb2 as tpb

from ..domain.limits import Limits
from ..domain.template import check_template_name
from ..usecases.templates import Templates
from . import parse_template as parse
from .chain import Call
from .pages import encode_name
from .parse import page_size
from .render_template import template as rendered


@dataclass(kw_only=True)
class TemplateCalls:
    """One method an RPC, named like it; see the protos for what each promises."""

    templates: Templates
    limits: Limits

    async def create_template(self, request: tpb.CreateTemplateRequest, call: Call) -> tpb.CreateTemplateResponse:
        template = parse.template(request.template, self.limits)
        stored, replaced = await self.templates.create(call.tenant, template, replaces=request.replace)
        return tpb.CreateTemplateResponse(template=rendered(stored), replaced=replaced)

    async def get_template(self, request: tpb.GetTemplateRequest, call: Call) -> tpb.GetTemplateResponse:
        found = await self.templates.get(call.tenant, check_template_name(request.name))
        return tpb.GetTemplateResponse(template=rendered(found))

    async def list_templates(self, request: tpb.ListTemplatesRequest, call: Call) -> tpb.ListTemplatesResponse:
        after, bound = parse.place(call.tenant, request)
        count = page_size(request.page_size, self.limits)
        found, following = await self.templates.list(call.tenant, after=after, count=count)
        token = encode_name(following, bound) if following else ""
        return tpb.ListTemplatesResponse(templates=map(rendered, found), next_page_token=token)

    async def delete_template(self, request: tpb.DeleteTemplateRequest, call: Call) -> tpb.DeleteTemplateResponse:
        await self.templates.delete(call.tenant, check_template_name(request.name))
        return tpb.DeleteTemplateResponse()
