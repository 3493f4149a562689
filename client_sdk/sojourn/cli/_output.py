"""What commands print for programs: JSON or YAML of the SDK's models, the same everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("table", "json", "yaml")


def output_option(*more: str) -> Callable[[F], F]:
    """`--output`: a table for people, JSON, YAML, or `more`."""
    return click.option(
        "--output", "-o", type=click.Choice((*FORMATS, *more)), default="table", show_default=True,
        help="How to print: for people, or for programs.",
    )  # fmt: skip


def print_data(value: Any, output: str) -> None:
    """Prints a document: on one line as `json`, or as one of the documents of a `yaml` stream. It is there at once."""
    click.echo(yaml_document(value) if output == "yaml" else json_line(value), nl=output != "yaml")


def print_each(values: Iterable[Any], output: str) -> None:
    """Prints documents, each by itself."""
    for value in values:
        print_data(value, output)


def json_line(value: Any) -> str:
    """A document as JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)


def yaml_document(value: Any) -> str:
    """A document as YAML, with the line that begins it."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(
        yaml.dump(
            json.loads(json_line(value)), Dumper=dumper, explicit_start=True, sort_keys=False, allow_unicode=True,
            width=120,
        )
    )  # fmt: skip


def _plain(value: Any) -> Any:
    """What JSON has no form for: a model as its fields, anything else as text."""
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    return dict(value) if isinstance(value, Mapping) else str(value)
