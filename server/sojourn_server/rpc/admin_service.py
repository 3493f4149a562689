"""The AdminService: parse, one use case, render."""

from __future__ import annotations

from dataclasses import dataclass

from sojourn.v1 import admin_service_pb2 as pb

from ..domain.errors import InvalidFieldError
from ..domain.limits import check_session_id
from ..domain.requests import MOST_SLOTS
from ..usecases.admission import Admission
from .chain import Call
from .render_requests import pool


@dataclass(slots=True)
class AdminServicer:
    """One method an RPC, named like it; see the protos for what each promises."""

    admission: Admission

    async def set_pool(self, request: pb.SetPoolRequest, call: Call) -> pb.SetPoolResponse:
        name = check_session_id(request.name, "name")
        if not 0 <= request.size <= MOST_SLOTS:
            raise InvalidFieldError("size", f"0 to {MOST_SLOTS:,}")
        return pb.SetPoolResponse(pool=pool(await self.admission.set_pool(call.tenant, name, request.size)))

    async def list_pools(self, _: pb.ListPoolsRequest, call: Call) -> pb.ListPoolsResponse:
        return pb.ListPoolsResponse(pools=map(pool, await self.admission.pools(call.tenant)))
