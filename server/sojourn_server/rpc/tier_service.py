"""The part of the SessionService that moves sessions between the tiers: parse, one use case, render."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from sojourn.v1 import tiers_pb2 as pb

from ..domain.limits import Limits
from ..usecases.cleanup import Cleanup
from ..usecases.forking import Forking
from ..usecases.resuming import Resuming
from ..usecases.saving import Saving
from . import parse_tiers as parse
from . import render_tiers as rendered
from .chain import Call
from .outlets import Outlets
from .parse import session_key


@dataclass(kw_only=True)
class TierCalls:
    """One method an RPC, named like it; see the protos for what each promises."""

    saving: Saving
    resuming: Resuming
    forking: Forking
    cleanup: Cleanup
    outlets: Outlets
    limits: Limits

    async def save_session(self, request: pb.SaveSessionRequest, call: Call) -> pb.SaveSessionResponse:
        return rendered.saved(await self.saving.save(session_key(call.tenant, request.session_id)))

    async def resume_session(self, request: pb.ResumeSessionRequest, call: Call) -> pb.ResumeSessionResponse:
        key = session_key(call.tenant, request.session_id)
        writer, idempotency_key = parse.writer(request.writer, self.limits), parse.key(request.idempotency_key)
        return rendered.resumed(await self.resuming.resume(key, writer=writer, idempotency_key=idempotency_key))

    async def fork_session(self, request: pb.ForkSessionRequest, call: Call) -> pb.ForkSessionResponse:
        return rendered.forked(await self.forking.fork(parse.fork(call.tenant, request, self.limits)))

    async def cleanup_sessions(self, request: pb.CleanupSessionsRequest, call: Call) -> None:
        query = parse.cleanup(request, self.limits)
        with self.outlets.open(call.context) as outlet:
            async with aclosing(self.cleanup.run(call.tenant, query)) as progress:
                async for step in progress:
                    await outlet.write(rendered.cleaned(step))
