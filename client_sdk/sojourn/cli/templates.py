"""`sojourn templates`: what new sessions of a kind begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ._errors import run
from ._options import output_option, target_option
from ._param_types import duration, fact, facts

if TYPE_CHECKING:
    from sojourn import Template


@click.group(invoke_without_command=True)
@target_option
@output_option("table", "json")
@click.pass_context
def templates(context: click.Context, target: str, output: str) -> None:
    """List the templates, or make, show or remove one. `create_session(template=NAME)` begins with one."""
    if context.invoked_subcommand is None:
        run(_list(target, output), target=target)


@templates.command("create")
@click.argument("name", metavar="NAME")
@target_option
@click.option("--description", default="", metavar="TEXT", help="What it is for.")
@click.option("--kind", default="", metavar="KIND", help="Kind of the sessions.")
@click.option("--project", default="", metavar="NAME", help="Project of the sessions.")
@click.option("--purpose", default="", metavar="TEXT", help="Purpose of the sessions.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Tag of the sessions; repeatable.")
@click.option("--metadata", multiple=True, type=fact, callback=facts, metavar="KEY=VALUE",
              help="A fact, its value JSON or text; repeatable.")  # fmt: skip
@click.option("--state", multiple=True, type=fact, callback=facts, metavar="KEY=VALUE",
              help="First state, its value JSON or text; repeatable.")  # fmt: skip
@click.option("--idle-timeout", type=duration, metavar="TIME", help="They expire after so long without a write.")
@click.option("--max-lifetime", type=duration, metavar="TIME", help="They expire so long after their creation.")
@click.option("--max-requests", "max_concurrent_requests", type=click.IntRange(min=1), metavar="N",
              help="Most requests admitted at a time.")  # fmt: skip
@click.option("--replace", is_flag=True, help="Take the place of one with this name.")
def create(name: str, target: str, max_concurrent_requests: int | None, **begins_with: Any) -> None:
    """Make a template."""
    run(_create(target, name, max_concurrent_requests=max_concurrent_requests or 0, **begins_with), target=target)


@templates.command("show")
@click.argument("name", metavar="NAME")
@target_option
@output_option("table", "json")
def show(name: str, target: str, output: str) -> None:
    """Show a template."""
    run(_show(target, name, output), target=target)


@templates.command("rm")
@click.argument("name", metavar="NAME")
@target_option
def remove(name: str, target: str) -> None:
    """Remove a template; sessions made from it stay."""
    run(_remove(target, name), target=target)


async def _list(target: str, output: str) -> None:
    from ._connect import connected
    from ._text import console, json_line

    async with connected(target) as client:
        found = [template async for template in client.templates()]
    if output == "json":
        for template in found:
            click.echo(json_line(template.model_dump(mode="json")))
    elif found:
        console().print(_table(found))
    else:
        click.echo("no templates; `sojourn templates create NAME` makes one", err=True)


async def _create(target: str, name: str, **begins_with: Any) -> None:
    from ._connect import connected

    async with connected(target) as client:
        template = await client.create_template(name, **begins_with)
    click.echo(template.name)


async def _show(target: str, name: str, output: str) -> None:
    from ._connect import connected
    from ._text import clean, compact, console, json_line

    async with connected(target) as client:
        template = await client.get_template(name)
    document = template.model_dump(mode="json")
    if output == "json":
        click.echo(json_line(document))
        return
    for field, value in document.items():
        if value:
            text = value if isinstance(value, str) else compact(value)
            console().print(f"{field:<24}{clean(text)}", soft_wrap=True)


async def _remove(target: str, name: str) -> None:
    from ._connect import connected

    async with connected(target) as client:
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
