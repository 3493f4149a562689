"""Leaving out what passed before, the same in every process of pytest-xdist."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from .texts import step_name

PASSED = "sojourn_passed"
"""What the controller tells its workers: names of the steps that passed."""
LEFT_OUT = "sojourn_left_out"
"""What workers tell in return: how many tests they left out."""


class Selection:
    """Deselects tests whose steps are in `passed`."""

    def __init__(self, passed: Collection[str]) -> None:
        self.passed = frozenset(passed)
        self.left_out = 0
        """How many tests were left out."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """After everybody else, so that what others deselect does not count here."""
        if not self.passed:
            return
        left_out = [item for item in items if step_name(item.nodeid) in self.passed]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            chosen = set(left_out)
            items[:] = [item for item in items if item not in chosen]
        self.left_out = len(left_out)
        workeroutput: dict[str, Any] | None = getattr(config, "workeroutput", None)
        if workeroutput is not None:
            workeroutput[LEFT_OUT] = self.left_out
