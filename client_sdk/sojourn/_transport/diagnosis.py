"""The diagnosis: its call, and from the wire to models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sojourn.v1 import admin_service_pb2 as pb

from ..diagnosis import Check, Diagnosis
from . import vocabulary

if TYPE_CHECKING:
    from .calls import Calls


class DiagnosisCalls:
    """The method that checks what the server runs on, on the channel of `Calls`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._diagnose = calls.unary("Diagnose", pb.DiagnoseRequest, pb.DiagnoseResponse)

    async def diagnose(self, timeout: float) -> Diagnosis:
        """All checks."""
        response = await self._calls.call(self._diagnose, pb.DiagnoseRequest(), timeout)
        return Diagnosis(
            server_version=response.server_version,
            checks=tuple(
                Check(
                    name=check.name,
                    status=vocabulary.CHECK_STATUS.read(check.status),
                    found=check.found,
                    advice=check.advice,
                )
                for check in response.checks
            ),
        )
