"""Commands that are imported when they are needed: starting the program costs what the one command at hand costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import NamedTuple, cast

import click


class Entry(NamedTuple):
    """Where a command is, and what the main help says of it."""

    module: str
    """Name of the module in this package; the command in it has the name of `attribute`."""
    attribute: str
    summary: str


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name; to look one up imports its module."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = dict(entries)
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            entry = self._entries[name]
            module = import_module(f".{entry.module}", __package__)
            self._loaded[name] = cast("click.Command", getattr(module, entry.attribute))
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._loaded[name] = command
        self._entries.setdefault(name, Entry("", "", command.get_short_help_str()))

    def __delitem__(self, name: str) -> None:
        del self._entries[name]
        self._loaded.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
