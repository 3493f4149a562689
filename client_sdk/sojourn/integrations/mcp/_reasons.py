"""Reasons of errors, for machines."""

from __future__ import annotations

import re

from ...errors import SojournError


def reason_of(error: BaseException) -> str:
    """The machine-readable reason, as in `ErrorInfo`; for an error that has none it is made of its class's name."""
    reason = error.reason if isinstance(error, SojournError) else ""
    name = type(error).__name__.removesuffix("Error")
    return reason or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def explained(error: BaseException) -> str:
    """`REASON: what happened`"""
    return f"{reason_of(error)}: {error}"
