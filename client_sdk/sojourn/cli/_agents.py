"""The demo's agents: they play their scripts through the SDK as an application would."""

from __future__ import annotations

import asyncio
import random
import time
from itertools import count
from typing import TYPE_CHECKING

from sojourn.changes import Usage

from .demo_data import SCRIPTS, Note, Say, Script, Use

if TYPE_CHECKING:
    from sojourn import Client
    from sojourn.session import SessionHandle

_CHARACTERS_PER_TOKEN = 4


class Agents:
    """Agents that work on sessions of one project."""

    def __init__(self, client: Client, *, project: str, seed: int, speed: float) -> None:
        self._client = client
        self._project = project
        self._seed = seed
        self._speed = speed
        self._scripts = (SCRIPTS[number % len(SCRIPTS)] for number in count())

    async def work(self, agents: int, *, seconds: float) -> int:
        """Lets agents play one script after another; returns how many sessions that made.

        When `seconds` are over, each agent ends the script it is at.
        """
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            crew = [
                group.create_task(self._agent(f"agent-{number}", random.Random(f"{self._seed} {number}"), until))
                for number in range(1, agents + 1)
            ]
        return sum(agent.result() for agent in crew)

    async def _agent(self, name: str, mood: random.Random, until: float) -> int:
        for played in count(start=1):
            script = next(self._scripts)
            session = await self._client.create_session(
                kind=script.name,
                user_id=name,
                project=self._project,
                purpose=script.purpose,
                tags=["demo", *script.tags],
            )
            for turn in script.turns:
                await asyncio.sleep(mood.uniform(0.2, 1.0) / self._speed)
                await _play(session, turn, tool_time=mood.uniform(0.7, 1.3) / self._speed)
            await _finish(session, script)
            if time.monotonic() >= until:
                return played
        raise AssertionError("unreachable")


async def _play(session: SessionHandle, turn: Say | Use | Note, *, tool_time: float) -> None:
    match turn:
        case Say(role="assistant", text=text):
            tokens = len(text) // _CHARACTERS_PER_TOKEN
            await session.add_message("assistant", text, usage=Usage(input_tokens=40 * tokens, output_tokens=tokens))
        case Say():
            await session.add_message(turn.role, turn.text)
        case Note():
            await session.set_state(turn.state)
        case Use():
            try:
                async with session.invocation(turn.tool, arguments=turn.arguments) as call:
                    await asyncio.sleep(turn.seconds * tool_time)
                    if turn.error:
                        raise _ToolError(turn.error)
                    call.result = turn.result
            except _ToolError:
                await session.log(f"{turn.tool} failed, trying another way", level="warning")


async def _finish(session: SessionHandle, script: Script) -> None:
    await session.set_result("outcome", script.result)
    await session.complete()


class _ToolError(Exception):
    """A tool of a script fails as the script says."""
