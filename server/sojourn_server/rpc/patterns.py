"""Regular expressions of callers, in a process of their own: one that takes for ever costs its caller the export, and
nobody else anything.

The engine is RE2 where it is installed (`google-re2`), else Python's. What patterns may hold is what both know: of
Python's syntax, no references to groups and nothing that looks ahead or behind.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from pydantic_core import SchemaError, SchemaValidator, core_schema

from ..domain.errors import InvalidFieldError

START_SECONDS = 30.0
PAGE_SECONDS = 10.0
"""How long the patterns may take for the texts of one page of events: about 1 MiB."""
TOTAL_SECONDS = 60
"""Processor time for a whole export."""
MEMORY = 1 << 30
EXPECTED = "a regular expression (RE2 syntax) that does not match the empty text"

_PROGRAM = r"""
import json, resource, sys
seconds, memory = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
try:
    import re2 as re
except ImportError:
    import re
replacement = sys.argv[3]
patterns = [re.compile(pattern) for pattern in json.loads(sys.stdin.readline())]
sys.stdout.write("ready\n")
sys.stdout.flush()
for line in sys.stdin:
    found = {}
    for number, text in enumerate(json.loads(line)):
        new = text
        for pattern in patterns:
            new = pattern.sub(lambda match: replacement if match.group() else "", new)
        if new != text:
            found[number] = new
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
"""


class PatternProcess:
    """Replaces what patterns match. An async context manager, used once.

    Args:
        patterns: the regular expressions.
        replacement: what their matches become.

    Raises, when it is entered:
        InvalidFieldError: one of them is no regular expression that we take.
    """

    def __init__(self, patterns: Sequence[str], replacement: str) -> None:
        for i, pattern in enumerate(patterns):
            _check(pattern, f"redaction.patterns[{i}]")
        self._patterns = patterns
        self._replacement = replacement
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", _PROGRAM, str(TOTAL_SECONDS), str(MEMORY), self._replacement,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            limit=64 << 20, env={},
        )  # fmt: skip
        try:
            if not await self._ask(self._patterns, START_SECONDS):
                raise InvalidFieldError("redaction.patterns", EXPECTED)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def replace(self, texts: Sequence[str]) -> dict[str, str]:
        """What those texts become that any pattern matches. Raises InvalidFieldError: it takes too long."""
        if not texts:
            return {}
        answer = await self._ask(texts, PAGE_SECONDS)
        if not answer:
            raise InvalidFieldError("redaction.patterns", "patterns that do not take so long on the session's texts")
        found = json.loads(answer)
        return {texts[int(number)]: new for number, new in found.items()}

    async def _ask(self, document: Any, seconds: float) -> bytes:
        """The process's answer; empty when there is none in time, or it is gone."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        line = b""
        try:
            async with asyncio.timeout(seconds):
                stdin.write(json.dumps(document).encode() + b"\n")
                await stdin.drain()
                line = await stdout.readline()
        except (TimeoutError, ConnectionError, ValueError):
            pass
        return line if line.endswith(b"\n") else b""

    async def _end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


def _check(pattern: str, field: str) -> None:
    """Syntax is checked by an engine that, like RE2, has none that takes longer than linear time."""
    try:
        validator = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        raise InvalidFieldError(field, EXPECTED) from None
    if validator.isinstance_python(""):
        raise InvalidFieldError(field, EXPECTED)
