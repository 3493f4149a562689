"""What a recorded run tells about itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .settings import Settings


def opening_lines(session_id: str, *, given: bool, passed: int, known: str) -> list[str]:
    """For the header. `known`: where what passed is known from; empty when nothing could be told."""
    if not given:
        return [f"sojourn: session {session_id} (sojourn watch {session_id})"]
    if not known:
        return [f"sojourn: session {session_id}: no server tells what passed, so everything runs"]
    if passed:
        what = f"{passed:,} of its tests passed before and are left out"
        return [f"sojourn: session {session_id} goes on: {what}{'' if known == 'server' else f' ({known})'}"]
    return [f"sojourn: session {session_id}: nothing passed in it before"]


def closing_lines(session_id: str, tests: int, state: Mapping[str, Any], settings: Settings, place: str) -> list[str]:
    """For the end. `tests`: how many outcomes were recorded; `place`: the spool, when it stays."""
    lines = [f"earlier run delivered: session {earlier}" for earlier in state.get("caught_up", ())]
    phase, what = state.get("phase"), f"{tests:,} test{'' if tests == 1 else 's'}"
    if phase == "delivered":
        lines.append(f"{what} recorded in session {session_id} at {state['target']}")
        if state.get("embedded"):
            lines.append(f"it is kept in {settings.base}; to look at it: sojourn serve --data-dir {settings.base}")
    elif phase == "away":
        lines.append(f"not delivered, for {state['text']}")
        lines.append(f"{what} of session {session_id} kept in {place}; the next run with --sojourn delivers them")
    elif phase == "refused":
        lines.append(f"not delivered: {state['text']}; {what} kept in {place}")
    else:
        lines.append(f"{what} of session {session_id} are still being delivered; what is left the next run delivers")
    if state.get("dropped"):
        lines.append(f"{state['dropped']:,} could not be recorded: {state.get('text')}")
    if state.get("comparison"):
        lines += state["comparison"]
    elif state.get("previous") and phase == "delivered":
        command = f"sojourn compare {state['previous']} {session_id}{settings.option}"
        lines.append(f"compare with the run before: {command}")
    return [f"sojourn: {line}" for line in lines]
