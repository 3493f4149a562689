"""What an export leaves out: values under keys, and what patterns match in texts.

Names that give a session its structure (keys, names of tools, steps, results and artifacts, ids) stay as they are. What
is redacted is still a session: every text stays within its limit, and nothing is incremented that is no integer any
more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from sojourn.v1 import event_pb2, session_pb2

from ..domain import changes as ch
from ..domain.events import StoredEvent
from ..domain.limits import Limits
from .patterns import PatternProcess

REDACTED = "[redacted]"
_REDACTED_JSON = json.dumps(REDACTED).encode()
MOST_AT_ONCE = 2
"""Redactions with patterns that run at the same time: each may keep a processor busy."""

Texts = Mapping[str, str]
"""What texts become that patterns match; others are not in it."""

_TEXTS: dict[str, tuple[str, ...]] = {
    "message_appended": ("content",),
    "invocation_finished": ("error",),
    "step_finished": ("error",),
    "log_appended": ("text",),
    "info_updated": ("purpose",),
    "artifact_attached": ("uri",),
    "session_created": ("purpose", "user_id", "project"),
    "status_changed": ("error",),
    "request_queued": ("name",),
    "request_admitted": ("name",),
    "request_progressed": ("text",),
    "request_finished": ("error",),
    "request_lost": ("cause",),
    "request_cancel_requested": ("reason",),
}
_LISTS = {"info_updated": ("add_tags", "remove_tags"), "session_created": ("tags",)}
_VALUES = {
    "invocation_started": ("arguments",), "invocation_finished": ("result",), "step_finished": ("output",),
    "custom": ("payload",),
}  # fmt: skip
_MAPS = {
    "state_set": ("values",), "info_updated": ("set_metadata",), "session_created": ("metadata", "state"),
}  # fmt: skip


class Redactions:
    """Makes redactors."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._turn = asyncio.Semaphore(MOST_AT_ONCE)

    @asynccontextmanager
    async def open(self, keys: Sequence[str], patterns: Sequence[str]) -> AsyncIterator[Redactor | None]:
        """A redactor for one export; None when nothing is to be left out. Raises InvalidFieldError."""
        folded = frozenset(key.casefold() for key in keys)
        if patterns:
            async with self._turn, PatternProcess(patterns, REDACTED) as process:
                yield Redactor(folded, process, self._limits)
        else:
            yield Redactor(folded, None, self._limits) if folded else None


class Redactor:
    """Redacts the events of one session.

    Args:
        keys: keys whose values go, case-folded.
        process: finds the patterns in texts; None: there are none.
    """

    def __init__(self, keys: frozenset[str], process: PatternProcess | None, limits: Limits) -> None:
        self._keys = keys
        self._process = process
        self._limits = limits

    async def redact(self, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        """The events without what is to be left out. Raises InvalidFieldError: the patterns take too long."""
        texts: Texts = {}
        if self._process is not None:
            texts = await self._process.replace(await asyncio.to_thread(self._texts, events))
        return await asyncio.to_thread(lambda: [self._redacted(event, texts) for event in events])

    def _texts(self, events: Sequence[StoredEvent]) -> list[str]:
        """Every text that may be replaced, once."""
        found: dict[str, None] = {}

        def note(text: str) -> str:
            found[text] = None
            return text

        for event in events:
            _Rewriter(self._keys, note, self._limits).event(event_pb2.Event.FromString(event.body))
        return list(found)

    def _redacted(self, event: StoredEvent, texts: Texts) -> StoredEvent:
        message = self._rewritten(event.body, lambda text: texts.get(text, text))
        if message.ByteSize() > self._limits.write_bytes:  # grown by what was put in: now whole texts go
            message = self._rewritten(event.body, lambda text: REDACTED if text in texts else text)
        kinds = (change.WhichOneof("kind") for change in message.changes)
        mask = ch.kind_mask(ch.ChangeKind[kind.upper()] for kind in kinds if kind)
        return replace(event, mask=mask, body=message.SerializeToString(deterministic=True), wire=None)

    def _rewritten(self, body: bytes, text: Callable[[str], str]) -> event_pb2.Event:
        message = event_pb2.Event.FromString(body)
        _Rewriter(self._keys, text, self._limits).event(message)
        return message


class _Rewriter:
    """Replaces the texts of an event, in place."""

    def __init__(self, keys: frozenset[str], text: Callable[[str], str], limits: Limits) -> None:
        self._keys = keys
        self._text = text
        self._limits = limits
        self._most = {
            "user_id": limits.label_bytes, "project": limits.label_bytes, "purpose": limits.purpose_bytes,
            "uri": 4096, "error": limits.error_bytes, "name": limits.key_bytes, "cause": limits.error_bytes,
        }  # fmt: skip

    def event(self, event: event_pb2.Event) -> None:
        event.writer = self._limited(event.writer, self._limits.writer_bytes)
        for change in event.changes:
            kind = change.WhichOneof("kind") or ""
            if kind == "state_incremented" and self._goes(change.state_incremented.key):
                key = change.state_incremented.key
                change.state_set.values[key].json = _REDACTED_JSON
            elif kind:
                self._change(kind, getattr(change, kind))

    def _change(self, kind: str, m: Any) -> None:
        for name in _TEXTS.get(kind, ()):
            if text := getattr(m, name):
                setattr(m, name, self._limited(text, self._most.get(name, self._limits.text_bytes)))
        for name in _LISTS.get(kind, ()):
            tags = dict.fromkeys(self._limited(text, self._limits.tag_bytes) for text in getattr(m, name))
            m.ClearField(name)
            getattr(m, name).extend(tags)
        for name in _VALUES.get(kind, ()):
            if m.HasField(name):
                self._value(getattr(m, name))
        for name in _MAPS.get(kind, ()):
            for key, value in getattr(m, name).items():
                self._keyed(key, value)
        match kind:
            case "message_appended":
                for part in m.parts:
                    self._value(part)
            case "result_set":
                self._keyed(m.name, m.value)
            case "artifact_attached":
                for key, label in list(m.labels.items()):
                    text = REDACTED if self._goes(key) else label
                    m.labels[key] = self._limited(text, self._limits.label_bytes)

    def _goes(self, key: str) -> bool:
        return key.casefold() in self._keys

    def _limited(self, text: str, most: int) -> str:
        """A text that stays within what it may have."""
        if not text:
            return text
        new = self._text(text)
        return REDACTED if new is not text and len(new.encode()) > most else new

    def _keyed(self, key: str, value: session_pb2.Value) -> None:
        if self._goes(key):
            value.json = _REDACTED_JSON
        else:
            self._value(value)

    def _value(self, value: session_pb2.Value) -> None:
        raw = value.json
        if raw[:1] not in b'"[{' or raw == b"":
            return  # holds no text
        document = _load(raw.decode())
        changed = self._json(document)
        if changed is document:
            return
        new = "".join(_dumped(changed)).encode()
        value.json = new if len(new) <= self._limits.value_bytes else _REDACTED_JSON

    def _json(self, document: Any) -> Any:
        """The document redacted; itself where nothing is to be redacted. Values are at most 32 levels deep."""
        if type(document) is str:
            return self._text(document)
        if isinstance(document, dict):
            new = {key: REDACTED if self._goes(key) else self._json(item) for key, item in document.items()}
            return document if all(new[key] is item for key, item in document.items()) else new
        if isinstance(document, list):
            items = [self._json(item) for item in document]
            return document if all(a is b for a, b in zip(items, document, strict=True)) else items
        return document


class _Number(str):
    """A number as it was written: it may be of any size and precision."""

    __slots__ = ()


_load = json.JSONDecoder(parse_int=_Number, parse_float=_Number).decode


def _dumped(document: Any) -> Iterator[str]:
    if isinstance(document, _Number):
        yield document
    elif isinstance(document, dict):
        before = "{"
        for key, item in document.items():
            yield f"{before}{json.dumps(key, ensure_ascii=False)}:"
            yield from _dumped(item)
            before = ","
        yield "}" if document else "{}"
    elif isinstance(document, list):
        before = "["
        for item in document:
            yield before
            yield from _dumped(item)
            before = ","
        yield "]" if document else "[]"
    else:
        yield json.dumps(document, ensure_ascii=False)
