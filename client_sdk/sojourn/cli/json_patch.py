"""The difference between two JSON documents, as the operations of RFC 6902 (`add`, `remove`, `replace`)."""

from __future__ import annotations

import copy
from typing import Any

Operation = dict[str, Any]


def same(a: Any, b: Any) -> bool:
    """Whether two documents are the same JSON; unlike `==`, `1`, `1.0` and `true` are three things."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def difference(old: Any, new: Any, path: str = "") -> list[Operation]:
    """Operations that turn `old` into `new`, in a fixed order; empty when they are the same.

    Objects and lists of equal length are compared member by member, other differences replace the whole.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        operations = [{"op": "remove", "path": f"{path}/{_escape(key)}"} for key in old if key not in new]
        for key, value in new.items():
            place = f"{path}/{_escape(key)}"
            if key in old:
                operations += difference(old[key], value, place)
            else:
                operations.append({"op": "add", "path": place, "value": value})
        return operations
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [step for i, pair in enumerate(zip(old, new, strict=True)) for step in difference(*pair, f"{path}/{i}")]
    return [] if same(old, new) else [{"op": "replace", "path": path, "value": new}]


def apply(document: Any, operations: list[Operation]) -> Any:
    """A copy of `document` with the operations applied. Elements of lists can only be replaced.

    Raises:
        ValueError: an operation is not of the three kinds, or its path leads nowhere.
    """
    root = {"": copy.deepcopy(document)}
    for operation in operations:
        *way, last = [_unescape(step) for step in f"{operation['path']}".split("/")]
        try:
            holder: Any = root
            for step in way:
                holder = holder[_key(holder, step)]
            key = _key(holder, last)
            match operation["op"]:
                case "remove" if isinstance(holder, dict):
                    del holder[key]
                case "add" if isinstance(holder, dict):
                    holder[key] = copy.deepcopy(operation["value"])
                case "replace":
                    holder[key]  # replacing what is not there is an error
                    holder[key] = copy.deepcopy(operation["value"])
                case other:
                    raise ValueError(f"cannot {other!r} at {operation['path']!r}")
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f"no place {operation['path']!r} in the document") from error
    return root[""]


def _key(holder: Any, step: str) -> Any:
    return int(step) if isinstance(holder, list) else step


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _unescape(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")
