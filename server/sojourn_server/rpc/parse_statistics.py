"""Requests for statistics as the domain's inputs."""

from __future__ import annotations

from sojourn.v1 import statistics_pb2 as spb

from ..domain.errors import InvalidFieldError
from ..domain.statistics import Group
from . import fields

SHORTEST_US = 3_600_000_000
"""An hour."""


def period_us(request: spb.GetStatisticsRequest) -> int:
    """The length of a period; 0 for one that holds all."""
    us = fields.microseconds(request.period, "period")
    if 0 < us < SHORTEST_US:
        raise InvalidFieldError("period", "at least an hour, or zero")
    return us


def group(request: spb.GetStatisticsRequest) -> Group | None:
    """What to split by."""
    return fields.enum(Group, request.group_by, "group_by") if request.group_by else None
