"""The directory of a run: its log, its screenshots, its summary. Nothing here ever removes one."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from .._directory import safe_name


class ResultsDirectory:
    """`{test_name}_{timestamp}/` with `logs/session.log`, `screenshots/{phase}/` and `summary.json`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, base: Path, test_name: str, now: datetime) -> ResultsDirectory:
        """Make one that no other run has; `base` is made when absent. Raises OSError."""
        plain = base / f"{safe_name(test_name)}_{now:%Y%m%d_%H%M%S}"
        for number in itertools.count(1):
            path = plain if number == 1 else plain.with_name(f"{plain.name}_{number}")
            try:
                (path / "logs").mkdir(parents=True)
            except FileExistsError:
                continue  # another run of the same second
            break
        return cls(path.absolute())

    @property
    def log(self) -> Path:
        """The run's log file."""
        return self.path / "logs" / "session.log"

    def keep_screenshot(self, phase: str, name: str, version: int, suffix: str, data: bytes) -> Path:
        """Write a screenshot; its file. Raises OSError."""
        folder = self.path / "screenshots" / safe_name(phase or "none")
        folder.mkdir(parents=True, exist_ok=True)
        stem = name.removesuffix(suffix)
        for number in itertools.count(max(version, 1)):
            file = folder / (safe_name(stem) + (f"-{number}" if number > 1 else "") + suffix)
            try:
                with file.open("xb") as opened:
                    opened.write(data)
                return file
            except FileExistsError:
                continue
        raise AssertionError("unreachable")

    def keep_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`. Raises OSError."""
        text = json.dumps(summary, ensure_ascii=False, indent=2, default=str) + "\n"
        (self.path / "summary.json").write_text(text, encoding="utf-8")
