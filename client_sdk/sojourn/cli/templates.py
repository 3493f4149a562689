"""`sojourn templates`: what new sessions of a kind begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ._completing import template_names
from ._errors import run
from ._help import Command, ListingGroup
from ._options import beginning_options, limit_option, server_options
from ._output import output_option, print_data, print_each

if TYPE_CHECKING:
    from sojourn import Template

    from ._profiles import Server


@click.group(
    cls=ListingGroup,
    examples=[
        "sojourn templates",
        "sojourn templates create nightly --kind qa --tag nightly --state retries=2",
        "sojourn create --template nightly",
    ],
)
def templates() -> None:
    """List the templates (`sojourn templates`), or make, show or remove one.

    A template is what sessions begin with that are created from it: `sojourn create --template NAME`.
    """


@templates.command("list", cls=Command, examples=["sojourn templates", "sojourn templates list -o yaml"])
@limit_option()
@output_option()
@server_options
def list_templates(server: Server, limit: int | None, output: str) -> None:
    """List the templates by name."""
    run(_list(server, limit, output), server=server)


@templates.command(
    "create",
    cls=Command,
    examples=["sojourn templates create nightly --kind qa --tag nightly --state retries=2 --idle-timeout 2h"],
)
@click.argument("name", metavar="NAME")
@server_options
@click.option("--description", default="", metavar="TEXT", help="What it is for.")
@beginning_options
@click.option("--replace", is_flag=True, help="Take the place of one with this name.")
@output_option()
def create(name: str, server: Server, output: str, **begins_with: Any) -> None:
    """Make a template."""
    given = {name: value for name, value in begins_with.items() if value is not None}
    run(_create(server, name, output, **given), server=server)


@templates.command("show", cls=Command, examples=["sojourn templates show nightly"])
@click.argument("name", metavar="NAME", shell_complete=template_names)
@server_options
@output_option()
def show(name: str, server: Server, output: str) -> None:
    """Show a template."""
    run(_show(server, name, output), server=server)


@templates.command("rm", cls=Command, examples=["sojourn templates rm nightly"])
@click.argument("name", metavar="NAME", shell_complete=template_names)
@server_options
def remove(name: str, server: Server) -> None:
    """Remove a template; sessions made from it stay."""
    run(_remove(server, name), server=server)


async def _list(server: Server, limit: int | None, output: str) -> None:
    from ._connect import connected
    from ._text import console

    async with connected(server) as client:
        found = [template async for template in client.templates(limit=limit)]
    if output != "table":
        print_each(found, output)
    elif found:
        console().print(_table(found))
    else:
        click.echo("no templates; `sojourn templates create NAME` makes one", err=True)


async def _create(server: Server, name: str, output: str, **begins_with: Any) -> None:
    from ._connect import connected

    async with connected(server) as client:
        template = await client.create_template(name, **begins_with)
    if output == "table":
        click.echo(template.name)
    else:
        print_data(template, output)


async def _show(server: Server, name: str, output: str) -> None:
    from ._connect import connected
    from ._text import clean, compact, console

    async with connected(server) as client:
        template = await client.get_template(name)
    if output != "table":
        print_data(template, output)
        return
    for field, value in template.model_dump(mode="json").items():
        if value:
            text = value if isinstance(value, str) else compact(value)
            console().print(f"{field:<24}{clean(text)}", soft_wrap=True)


async def _remove(server: Server, name: str) -> None:
    from ._connect import connected

    async with connected(server) as client:
        await client.delete_template(name)


def _table(found: list[Template]) -> Any:
    from rich.text import Text

    from ._tables import filled_table
    from ._text import compact, one_line, stamp

    columns = {
        "template": [Text(each.name, style="bold") for each in found],
        "kind": [Text(each.kind) for each in found],
        "project": [Text(one_line(each.project, 40)) for each in found],
        "tags": [Text(one_line(" ".join(each.tags), 40)) for each in found],
        "state": [Text(one_line(compact(each.state), 40) if each.state else "") for each in found],
        "stored": [Text(stamp(each.create_time)) for each in found],
        "description": [Text(one_line(each.description or each.purpose, 60)) for each in found],
    }
    return filled_table(columns, whole=("template", "stored"))
