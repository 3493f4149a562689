"""The part of the SessionService that is about requests: parse, one use case, render."""

from __future__ import annotations

from dataclasses import dataclass

from sojourn.v1 import session_service_pb2 as pb

from ..domain.limits import Limits, check_label
from ..domain.requests import RequestState
from ..usecases.admission import Admission
from ..usecases.listing import Listing
from ..usecases.sessions import Sessions
from . import parse_requests as parse
from . import render_requests as render
from .chain import Call
from .pages import encode_request_token
from .parse import page_size
from .tracks import Tracks


@dataclass(kw_only=True)
class RequestCalls:
    """One method an RPC, named like it; see the protos for what each promises."""

    admission: Admission
    listing: Listing
    sessions: Sessions
    tracks: Tracks
    limits: Limits
    lease_ms: int

    async def track_request(self, _: object, call: Call) -> None:
        await self.tracks.serve(call)

    async def begin_request(self, request: pb.BeginRequestRequest, call: Call) -> pb.BeginRequestResponse:
        asked = parse.begin(call.tenant, request, self.limits, self.lease_ms)
        begun = await self.admission.begin(asked.new)
        snapshot = None
        if asked.snapshot and begun.request.state is RequestState.ADMITTED:
            snapshot = await self.sessions.get(asked.new.key.session, full=True)
        return render.begun(begun.request, begun.resumed, snapshot)

    async def renew_request(self, request: pb.RenewRequestRequest, call: Call) -> pb.RenewRequestResponse:
        key = parse.request_key(call.tenant, request.session_id, request.request_id)
        progress = parse.progress(request.progress) if request.HasField("progress") else None
        response = pb.RenewRequestResponse()
        render.fill_request(response.request, await self.admission.renew(key, progress))
        return response

    async def finish_request(self, request: pb.FinishRequestRequest, call: Call) -> pb.FinishRequestResponse:
        key = parse.request_key(call.tenant, request.session_id, request.request_id)
        outcome, error = parse.finish(request.outcome, request.error, self.limits)
        return render.finished(await self.admission.finish(key, outcome, error))

    async def cancel_request(self, request: pb.CancelRequestRequest, call: Call) -> pb.CancelRequestResponse:
        key = parse.request_key(call.tenant, request.session_id, request.request_id)
        writer = check_label(request.writer, "writer", self.limits.writer_bytes)
        reason = parse.reason(request.reason)
        ended, revision = await self.admission.cancel(key, reason, force=request.force, writer=writer)
        return pb.CancelRequestResponse(ended=ended, revision=revision)

    async def list_requests(self, request: pb.ListRequestsRequest, call: Call) -> pb.ListRequestsResponse:
        wanted, after, bound = parse.listing(call.tenant, request, self.limits)
        count = page_size(request.page_size, self.limits)
        found, place = await self.listing.list(call.tenant, wanted, after=after, count=count)
        response = pb.ListRequestsResponse(next_page_token=encode_request_token(place, bound) if place else "")
        for one in found:
            render.fill_request(response.requests.add(), one)
        return response
