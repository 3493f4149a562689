"""What is kept out of records."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

SECRET_KEYS = (
    "api_key", "apikey", "authorization", "cookie", "credentials", "passphrase", "passwd", "password", "private_key",
    "secret", "token",
)  # fmt: skip
"""Keys whose values are not recorded unless the recorder is told otherwise."""
REDACTED = "[redacted]"

Redact = Callable[[str, Any], Any]
"""`(tool, arguments) -> arguments`: what is recorded of a call's arguments. What it raises is recorded instead."""

_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SHORTEST = 4
"""Characters a redacted value must have to be looked for in texts: shorter ones are in any text."""


class Redaction:
    """Replaces values by key, in JSON that is text, too; and then wherever texts of the same call repeat them.

    Args:
        keys: keys of JSON objects, at any depth; `token` is also `accessToken`, `X-Token` and `card_token`.
        hook: sees the arguments after that.
    """

    def __init__(self, keys: Iterable[str], hook: Redact | None) -> None:
        if isinstance(keys, str):
            raise TypeError("redact_keys: several keys, not one text")
        self._keys = tuple(f"_{_normal(key)}" for key in keys)
        self._hook = hook

    def arguments(self, tool: str, arguments: Any) -> tuple[Any, frozenset[str]]:
        """What is recorded of the arguments, and the texts that no other part of the record may hold."""
        cleaned, secrets = self.value(arguments, frozenset())
        if self._hook is not None:
            try:
                cleaned = self._hook(tool, cleaned)
            except Exception as error:  # a record is no reason to lose the call, nor to keep what may be a secret
                cleaned = f"[not recorded: the redact hook raised {type(error).__name__}]"
        return cleaned, secrets

    def value(self, value: Any, secrets: frozenset[str]) -> tuple[Any, frozenset[str]]:
        """What is recorded of a value, and the secrets with those in it."""
        known = set(secrets)
        cleaned = self._clean(value, known)  # which adds to them
        return _masked(cleaned, sorted(known, key=len, reverse=True)), frozenset(known)

    def text(self, text: str, secrets: frozenset[str]) -> str:
        """What is recorded of a text."""
        return str(self.value(text, secrets)[0])

    def _clean(self, value: Any, secrets: set[str]) -> Any:
        if isinstance(value, Mapping):
            return {key: self._kept(str(key), inner, secrets) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(inner, secrets) for inner in value]
        if isinstance(value, str) and value.startswith(("{", "[")):
            try:
                self._clean(json.loads(value), secrets)  # what is secret in it is then masked in the text
            except (ValueError, RecursionError):
                return value
        return value

    def _kept(self, key: str, value: Any, secrets: set[str]) -> Any:
        if not f"_{_normal(key)}".endswith(self._keys):
            return self._clean(value, secrets)
        secrets.update(text for text in _texts(value) if len(text) >= _SHORTEST)
        return REDACTED


def _normal(key: str) -> str:
    """`X-Access-Token`, `xAccessToken` and `x_access_token` are the same."""
    return _HUMPS.sub("_", key).lower().replace("-", "_")


def _texts(value: Any) -> Iterable[str]:
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _masked(value: Any, secrets: list[str]) -> Any:
    """The value with the secrets in its texts replaced, longest first."""
    if not secrets:
        return value
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, REDACTED)
        return value
    if isinstance(value, Mapping):
        return {key: _masked(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner, secrets) for inner in value]
    return value
