"""What a server says of itself and of what it runs on: frozen pydantic models."""

from __future__ import annotations

from .changes import Model
from .enums import CheckStatus

__all__ = ["Check", "Diagnosis"]


class Check(Model):
    """Something that was looked at."""

    name: str
    """For example `engine` or `catalog.schema`."""
    status: CheckStatus
    found: str = ""
    """What was found, for people."""
    advice: str = ""
    """What to do, for people; empty when nothing is to be done."""


class Diagnosis(Model):
    """All checks."""

    server_version: str
    checks: tuple[Check, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """Checks of what does not work, or puts data in danger."""
        return tuple(check for check in self.checks if check.status is CheckStatus.FAILED)
