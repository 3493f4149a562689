"""Conversations in OpenAI's message format to the writes of a session, and exactly back.

One message becomes one atomic write: the message, the start of every tool invocation it asks for, and, for a `tool`
message, the finish of the invocation it answers. Whatever of a message these changes cannot say (other keys, the
spelling of an argument text) is kept beside it in one extra content part, so nothing is lost.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from sojourn.changes import InvocationFinished, InvocationStarted, MessageAppended
from sojourn.models import Event

from . import json_patch
from .json_values import MAX_DEPTH, is_storable, is_utf8, value_of

PATCH_TYPE = "openai_message_patch"
"""`type` of the extra content part; its `patch` (RFC 6902) turns what the changes say into the original message."""

_ROLES = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
}
_REPEAT = re.compile(r"~\d+$")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,240}").fullmatch
_NAME_BYTES = 240


class FormatError(ValueError):
    """What was read is not a conversation in OpenAI's message format."""


@dataclass(frozen=True, slots=True)
class Started:
    """A tool call: `arguments` is the JSON value of the argument text, the text itself when it is not JSON, or None."""

    invocation_id: str
    tool: str
    arguments: Any = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer to a tool call: `result` is the JSON value of the text, or the text itself when it is not JSON."""

    invocation_id: str
    tool: str
    result: Any = None


@dataclass(frozen=True, slots=True)
class MessageWrite:
    """What one message becomes. `content` None is a message without text; `parts` are JSON objects."""

    role: str
    content: str | None = None
    parts: tuple[dict[str, Any], ...] = ()
    tool_name: str = ""
    invocation_id: str = ""
    started: tuple[Started, ...] = ()
    finished: Finished | None = None


def writes_of(messages: Sequence[Any]) -> list[MessageWrite]:
    """The writes of a conversation, one a message, in order.

    Raises:
        FormatError: a message is not an object, has no known role, or holds text that UTF-8 cannot carry.
    """
    calls = _Calls()
    writes = []
    for number, message in enumerate(messages, start=1):
        try:
            writes.append(_exact(_plain_write(message, calls), message))
        except FormatError as error:
            raise FormatError(f"message {number}: {error}") from None
    return writes


def messages_of(writes: Iterable[MessageWrite]) -> list[dict[str, Any]]:
    """The conversation that `writes_of` was given.

    Raises:
        ValueError: an extra content part does not fit its message; somebody else wrote it.
    """
    return [message_of(write) for write in writes]


def writes_in(events: Iterable[Event]) -> list[MessageWrite]:
    """The messages of an event log as the writes that made them.

    The starts of tool invocations belong to the message before them in the same event.
    """
    writes: list[MessageWrite] = []
    for event in events:
        begun = len(writes)
        for change in event.changes:
            match change:
                case MessageAppended():
                    parts = tuple(part for part in change.parts if isinstance(part, dict))
                    writes.append(
                        MessageWrite(change.role.value, change.content, parts, change.tool_name, change.invocation_id)
                    )
                case InvocationStarted() if len(writes) > begun:
                    started = Started(change.invocation_id, change.tool, change.arguments)
                    writes[-1] = replace(writes[-1], started=(*writes[-1].started, started))
                case InvocationFinished() if len(writes) > begun:
                    writes[-1] = replace(
                        writes[-1], finished=Finished(change.invocation_id, change.tool, change.result)
                    )
    return writes


def message_of(write: MessageWrite) -> dict[str, Any]:
    """The one message a write was made of. Raises as `messages_of` does."""
    parts = write.parts
    if not parts or parts[-1].get("type") != PATCH_TYPE:
        return _plain_message(write, parts)
    message: dict[str, Any] = json_patch.apply(_plain_message(write, parts[:-1]), parts[-1]["patch"])
    return message


class _Calls:
    """The tool calls of a conversation so far: gives each its own id and finds the one an answer is for."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._uses: defaultdict[str, int] = defaultdict(int)
        self._open: defaultdict[str, deque[Started]] = defaultdict(deque)

    def start(self, call: Any) -> Started:
        """The invocation of one entry of `tool_calls`; `~2`, `~3`, ... tell apart calls that share an id."""
        details = _mapping(_mapping(call).get("function"))
        original = _mapping(call).get("id")
        base = original if _is_name(original) else "call"
        started = Started(self._unique(base), _tool(details.get("name")), value_of(details.get("arguments")))
        if isinstance(original, str):
            self._open[original].append(started)
        return started

    def answered(self, original: Any) -> Started | None:
        """The oldest open invocation with this id; it is open no more."""
        waiting = self._open.get(original) if isinstance(original, str) else None
        return waiting.popleft() if waiting else None

    def _unique(self, base: str) -> str:
        while True:
            self._uses[base] += 1
            candidate = base if self._uses[base] == 1 else f"{base}~{self._uses[base]}"
            if candidate not in self._taken:
                self._taken.add(candidate)
                return candidate


def _plain_write(message: Any, calls: _Calls) -> MessageWrite:
    """What the changes themselves can say of a message."""
    if not isinstance(message, dict):
        raise FormatError(f"expected an object, not {type(message).__name__}")
    role = _ROLES.get(message["role"]) if isinstance(message.get("role"), str) else None
    if role is None:
        raise FormatError(f"role: expected one of {', '.join(_ROLES)}, not {message.get('role')!r}")
    content = message.get("content")
    parts: tuple[dict[str, Any], ...] = ()
    if isinstance(content, list):
        parts = tuple(part for part in content if isinstance(part, dict))
        texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
        content = "\n".join(texts) if texts else None
    elif not isinstance(content, str):
        content = None
    tool_calls = message.get("tool_calls")
    started = tuple(calls.start(call) for call in tool_calls) if isinstance(tool_calls, list) else ()
    name = message.get("name")
    answered = calls.answered(message.get("tool_call_id")) if role == "tool" else None
    return MessageWrite(
        role=role,
        content=content,
        parts=parts,
        tool_name=name if role == "tool" and _is_name(name) else "",
        invocation_id=answered.invocation_id if answered else "",
        started=started,
        finished=Finished(answered.invocation_id, answered.tool, value_of(content)) if answered else None,
    )


def _plain_message(write: MessageWrite, parts: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """The message that the changes themselves tell of."""
    message: dict[str, Any] = {"role": write.role, "content": list(parts) if parts else write.content}
    if write.tool_name:
        message["name"] = write.tool_name
    if write.invocation_id:
        message["tool_call_id"] = _REPEAT.sub("", write.invocation_id)
    if write.started:
        message["tool_calls"] = [
            {
                "id": _REPEAT.sub("", started.invocation_id),
                "type": "function",
                "function": {"name": started.tool} | _arguments(started.arguments),
            }
            for started in write.started
        ]
    return message


def _exact(write: MessageWrite, message: dict[str, Any]) -> MessageWrite:
    """The write with an extra part for what its changes do not say of the message."""
    patch = json_patch.difference(_plain_message(write, write.parts), message)
    parts = write.parts
    if patch or (parts and parts[-1].get("type") == PATCH_TYPE):
        parts = (*parts, {"type": PATCH_TYPE, "patch": patch})
    values = [write.content, *parts, *(started.arguments for started in write.started)]
    if not all(map(is_storable, values)):
        raise FormatError(
            f"holds what a session cannot: a lone surrogate, a number that is not finite, or over {MAX_DEPTH} levels"
        )
    return replace(write, parts=parts)


def _arguments(value: Any) -> dict[str, str]:
    """The usual spelling of arguments; None means that there were none."""
    if value is None:
        return {}
    return {
        "arguments": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    }


def _is_name(value: Any) -> TypeGuard[str]:
    """Whether the service takes the value as a name, with room for the mark of a repeated id."""
    return isinstance(value, str) and bool(_NAME(value)) and is_utf8(value) and len(value.encode()) <= _NAME_BYTES


def _tool(name: Any) -> str:
    return name if _is_name(name) else "unknown"


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
