"""Checks of what a deployment runs on: what was found, and what to do, in plain words."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class CheckStatus(IntEnum):
    """The outcome of a check. The numbers are those of the protos."""

    OK = 1
    WARNING = 2
    """It works, but something should be seen to."""
    FAILED = 3
    """It does not work, or data is in danger."""


class Check(NamedTuple):
    """Something that was looked at. `advice` is empty when nothing is to be done."""

    name: str
    status: CheckStatus
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Check:
    """Nothing to do."""
    return Check(name, CheckStatus.OK, found)


def warning(name: str, found: str, advice: str) -> Check:
    """Something should be seen to."""
    return Check(name, CheckStatus.WARNING, found, advice)


def failed(name: str, found: str, advice: str) -> Check:
    """It does not work, or data is in danger."""
    return Check(name, CheckStatus.FAILED, found, advice)
