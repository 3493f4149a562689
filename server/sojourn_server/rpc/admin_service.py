"""The AdminService: parse, one use case, render."""

from __future__ import annotations

from dataclasses import dataclass

from sojourn.v1 import admin_service_pb2 as pb

from .. import __version__
from ..domain.errors import InvalidFieldError
from ..domain.limits import check_session_id
from ..domain.requests import MOST_SLOTS
from ..usecases.admission import Admission
from ..usecases.diagnosing import Diagnosing
from .chain import Call
from .render_requests import pool


@dataclass(slots=True)
class AdminServicer:
    """One method an RPC, named like it; see the protos for what each promises."""

    admission: Admission
    diagnosing: Diagnosing

    async def set_pool(self, request: pb.SetPoolRequest, call: Call) -> pb.SetPoolResponse:
        name = check_session_id(request.name, "name")
        if not 0 <= request.size <= MOST_SLOTS:
            raise InvalidFieldError("size", f"0 to {MOST_SLOTS:,}")
        return pb.SetPoolResponse(pool=pool(await self.admission.set_pool(call.tenant, name, request.size)))

    async def list_pools(self, _: pb.ListPoolsRequest, call: Call) -> pb.ListPoolsResponse:
        return pb.ListPoolsResponse(pools=map(pool, await self.admission.pools(call.tenant)))

    async def diagnose(self, _: pb.DiagnoseRequest, call: Call) -> pb.DiagnoseResponse:
        response = pb.DiagnoseResponse(server_version=__version__)
        for name, status, found, advice in await self.diagnosing.checks():
            response.checks.add(name=name, status=int(status), found=found, advice=advice)
        return response
