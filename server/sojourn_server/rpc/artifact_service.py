"""The ArtifactService: parse, one use case, render."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from sojourn.v1 import artifact_service_pb2 as pb

from ..domain.limits import Limits
from ..usecases.artifacts import Artifacts
from . import parse_artifacts as parse
from . import render_artifacts as render
from .chain import Call
from .inlets import Inlets
from .outlets import Outlets
from .pages import encode_event_place
from .parse import page_size, session_key

GO_AHEAD = ("sojourn-accepted", "1")
"""Metadata that tells who sends an artifact that its header was taken."""


@dataclass(kw_only=True)
class ArtifactServicer:
    """One method an RPC, named like it; see the protos for what each promises."""

    artifacts: Artifacts
    inlets: Inlets
    outlets: Outlets
    limits: Limits

    async def put_artifact(self, _: object, call: Call) -> pb.PutArtifactResponse:
        header = parse.header(await self.inlets.read(call.context))
        new = parse.new_artifact(call.tenant, header, self.limits)
        await self.artifacts.check(new)
        await call.context.send_initial_metadata((GO_AHEAD,))
        pieces = parse.pieces(lambda: self.inlets.read(call.context), new)
        return render.stored(await self.artifacts.put(new, pieces))

    async def begin_upload(self, request: pb.BeginUploadRequest, call: Call) -> pb.BeginUploadResponse:
        upload_id = await self.artifacts.begin_upload(session_key(call.tenant, request.session_id))
        return pb.BeginUploadResponse(upload_id=upload_id)

    async def get_upload(self, request: pb.GetUploadRequest, call: Call) -> pb.GetUploadResponse:
        upload_id = parse.upload_id(request.upload_id, self.limits)
        stored = await self.artifacts.stored_of(session_key(call.tenant, request.session_id), upload_id)
        return pb.GetUploadResponse(stored_bytes=stored)

    async def get_artifact(self, request: pb.GetArtifactRequest, call: Call) -> None:
        key, name, version = parse.artifact(call.tenant, request, self.limits)
        artifact = await self.artifacts.get(key, name, version)
        start, end = parse.span(request, artifact)
        with self.outlets.open(call.context) as outlet:
            await outlet.write(render.first(artifact))
            async with aclosing(self.artifacts.read(key, artifact, start, end)) as pieces:
                async for piece in pieces:
                    await outlet.write(render.data(piece))

    async def list_artifacts(self, request: pb.ListArtifactsRequest, call: Call) -> pb.ListArtifactsResponse:
        after, bound = parse.artifact_place(call.tenant, request)
        wanted, count = parse.artifact_filter(request, self.limits), page_size(request.page_size, self.limits)
        key = session_key(call.tenant, request.session_id)
        found, place = await self.artifacts.list(key, wanted, after=after, count=count)
        return render.page(found, encode_event_place(place, bound) if place else "")
