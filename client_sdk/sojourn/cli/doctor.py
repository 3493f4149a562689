"""`sojourn doctor`: is all well?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._errors import CommandError, ExitCode, explain, run
from ._help import command
from ._options import server_options
from ._output import output_option, print_each

if TYPE_CHECKING:
    from sojourn import Check

    from ._profiles import Server

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


@command(examples=["sojourn doctor", "sojourn doctor --target other:7431 -o json"])
@server_options
@output_option()
def doctor(server: Server, output: str) -> None:
    """Check the server and what it runs on: engine, durability, clocks, catalog, blob store, settings.

    Says in plain words what is wrong and what to do. Exits with 1 when a check failed, with 4 when no server answers.
    """
    run(_doctor(server, output), server=server)


async def _doctor(server: Server, output: str) -> None:
    from time import perf_counter

    from sojourn import Check, CheckStatus, SojournError

    from ._connect import connected

    began = perf_counter()
    try:
        async with connected(server) as client:
            took = perf_counter() - began
            diagnosis = await client.diagnose()
    except SojournError as error:
        explained = explain(error, server)
        advice = explained.hint or "See the server's log."
        _print([Check(name="connection", status=CheckStatus.FAILED, found=explained.message, advice=advice)], output)
        code = ExitCode(explained.exit_code)
        raise CommandError("the server cannot be asked", hint=f"checked was {server.target}", code=code) from None
    reached = Check(name="connection", status=CheckStatus.OK, found=f"{server.target} answers in {took * 1000:.0f} ms")
    checks = [reached, _versions(diagnosis.server_version), *diagnosis.checks]
    _print(checks, output)
    bad = sum(check.status == "failed" for check in checks)
    if bad:
        raise CommandError(f"{bad} of {len(checks)} checks failed")


def _versions(server: str) -> Check:
    from importlib.metadata import version

    from sojourn import Check, CheckStatus

    client = version("sojourn")
    if client == server:
        return Check(name="version", status=CheckStatus.OK, found=f"client and server are {client}")
    # Messages are compatible within a major version; before 1.0, within a minor one.
    parts = 2 if server.startswith("0.") else 1
    alike = client.split(".")[:parts] == server.split(".")[:parts]
    found = f"client is {client}, server is {server}"
    if alike:
        return Check(name="version", status=CheckStatus.OK, found=found)
    advice = f"Install the client of the server's version: pip install 'sojourn=={server}'."
    return Check(name="version", status=CheckStatus.WARNING, found=found, advice=advice)


def _print(checks: list[Check], output: str) -> None:
    from rich.text import Text

    from ._text import clean, console

    if output != "table":
        print_each(checks, output)
        return
    width = max(len(check.name) for check in checks)
    for check in checks:
        line = Text.assemble(
            (f"{check.status.upper():<8}", _STYLES.get(check.status, "")), (f"{clean(check.name):<{width}}  ", "bold"),
            clean(check.found),
        )  # fmt: skip
        console().print(line, soft_wrap=True)
        if check.advice:
            console().print(Text(f"{'':<{width + 10}}{clean(check.advice)}", style="dim"), soft_wrap=True)
