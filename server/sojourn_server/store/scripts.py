"""The Lua scripts: one `.lua` file an operation, bound by name.

A script's header lists its KEYS and ARGV by name; loading turns those names into locals, so scripts never use
positions, and refuses a binding whose names are not the header's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files

Command = tuple[bytes | str | int, ...]

BY_SHA: dict[bytes | str | int, Script] = {}
"""Every script, by what a call names it with."""


class Script:
    """One operation. `call()` gives the EVALSHA command, `source_call()` the same with the source for an engine
    that forgot it."""

    def __init__(self, name: str, *, keys: Sequence[str], args: Sequence[str]) -> None:
        self.name = name
        self.source = _load(name, keys, args)
        self.writes = "no-writes" not in self.source.splitlines()[0]
        self._sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        self._head: Command = (b"EVALSHA", self._sha.encode(), str(len(keys)).encode())
        BY_SHA[self._head[1]] = self

    def call(self, *keys_and_args: bytes | str | int) -> Command:
        """The command that runs the script; keys first, then arguments, both in the order of the header."""
        return self._head + keys_and_args

    def source_call(self, command: Command) -> Command:
        """The same call for an engine that does not know the script."""
        return (b"EVAL", self.source, *command[2:])


def _load(name: str, keys: Sequence[str], args: Sequence[str]) -> str:
    text = (files(__package__) / "lua" / f"{name}.lua").read_text()
    shebang, body = text.split("\n", 1)
    if not shebang.startswith("#!lua"):
        raise ValueError(f"{name}.lua: the first line must be a shebang")
    _check_header(name, body, "KEYS", keys)
    _check_header(name, body, "ARGV", args)
    names = [f"local {key} = KEYS[{i}]" for i, key in enumerate(keys, 1)]
    names += [f"local {arg} = ARGV[{i}]" for i, arg in enumerate(args, 1)]
    names.append(f"local NARGS = {len(args)}")
    return "\n".join([shebang, *names, _included(body)])


def _included(text: str) -> str:
    return re.sub(r"^ *--@include (\w+)$", _include, text, flags=re.MULTILINE)


def _include(match: re.Match[str]) -> str:
    return _included((files(__package__) / "lua" / "includes" / f"{match[1]}.lua").read_text())


def _check_header(name: str, body: str, part: str, names: Sequence[str]) -> None:
    match = re.search(rf"^-- {part}((?:.*\n)(?:--  .*\n)*)", body, re.MULTILINE)
    words = re.findall(r"\w+", match[1]) if match else []
    missing = [n for n in names if n not in words]
    if missing:
        raise ValueError(f"{name}.lua: the {part} of the header do not name {missing}")


_SESSION_COMMIT = ("due", "dirty", "log")

WRITE = Script(
    "write",
    keys=("head", "events", "requests", "tombstone", "idempotency", *_SESSION_COMMIT),
    args=(
        "member", "expected_revision", "required_status", "fencing_token", "known", "on_ended", "max_bytes",
        "fingerprint", "retention", "mask", "body", "channel", "inline_limit", "log_length",
        "n_sets", "n_deletes", "n_state_increments", "n_increments", "n_stamps", "n_requests", "n_expects",
    ),
)  # fmt: skip
CREATE = Script(
    "create",
    keys=(
        "head", "events", "tombstone", "idempotency", "by_creation", *_SESSION_COMMIT, "shard_incarnation", "elsewhere",
    ),
    args=(
        "member", "session_id", "uid", "fingerprint", "retention", "max_bytes", "idle_ms", "life_ms", "mask", "body",
        "channel", "inline_limit", "log_length", "checked", "bit1", "bit2", "bit3", "bit4", "n_sets",
    ),
)  # fmt: skip
MINT = Script("mint", keys=("minted",), args=("name", "proposed", "retention"))
READ = Script("read", keys=("head", "tombstone", "connections", "workers"), args=("member", "full"))
DELETE = Script(
    "delete",
    keys=(
        "head", "events", "requests", "queue", "lease", "tombstone", "idempotency", "by_creation", *_SESSION_COMMIT,
    ),
    args=("member", "session_id", "expected_revision", "fingerprint", "retention", "channel", "log_length"),
)  # fmt: skip
EVENTS = Script(
    "events",
    keys=("head", "events", "tombstone", "retired"),
    args=(
        "member", "after", "after_us", "after_uid", "after_incarnation", "strict", "before", "mask", "count",
        "scan_limit", "byte_limit", "reverse",
    ),
)  # fmt: skip
TRIM = Script("trim", keys=("head", "events"), args=("member", "before"))
NEWEST = Script("newest", keys=("index",), args=("name", "highest", "count"))
OPEN = Script("open", keys=("shard_incarnation", "run", "lease", "log"), args=("name", "proposed", "run_id"))
POSITION = Script("position", keys=("shard_incarnation", "log"), args=("name",))
COMMITS = Script("commits", keys=("log", "shard_incarnation"), args=("name", "after", "after_digest", "count"))
META = Script("meta", keys=("meta",), args=("name", "shards", "format"))
