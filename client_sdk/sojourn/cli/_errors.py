"""How commands fail: an exit code, one readable message, the next step, no traceback."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from enum import IntEnum
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ._profiles import Server


class ExitCode(IntEnum):
    """The process's exit codes, besides 0 for success; docs/cli.md describes them."""

    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    DENIED = 5
    INTERRUPTED = 130


class CommandError(click.ClickException):
    """Ends the command with a message, a hint what to do next, and an exit code."""

    def __init__(self, message: str, *, hint: str = "", code: ExitCode = ExitCode.FAILURE) -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Writes the message and the hint to standard error."""
        click.secho("error: ", fg="red", bold=True, nl=False, err=True)
        click.echo(self.format_message(), err=True)
        if self.hint:
            click.secho(f"  {self.hint}", dim=True, err=True)


def run(main: Coroutine[Any, Any, None], *, server: Server) -> None:
    """Runs a command's coroutine and turns what it raises into a CommandError.

    Ctrl-C cancels the coroutine first, so streams and files are closed, and then exits with 130.
    """
    import asyncio

    try:
        asyncio.run(main)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None
    except (click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        cause = _first(error)
        if isinstance(cause, click.ClickException | BrokenPipeError):
            raise cause from None  # click knows what to do
        if os.environ.get("SOJOURN_DEBUG"):
            raise
        raise explain(cause, server) from error


def explain(error: Exception, server: Server) -> CommandError:
    """The CommandError that tells a user about an error."""
    from sojourn import errors

    said = str(error)
    match error:
        case errors.SessionNotFoundError():
            return CommandError(said, hint="`sojourn list` shows the sessions there are", code=ExitCode.NOT_FOUND)
        case errors.RequestNotFoundError():
            return CommandError(said, hint="`sojourn requests` shows the live ones", code=ExitCode.NOT_FOUND)
        case errors.TemplateNotFoundError():
            return CommandError(said, hint="`sojourn templates` shows those there are", code=ExitCode.NOT_FOUND)
        case errors.ArtifactNotFoundError():
            hint = f"`sojourn artifacts {error.session_id}` shows those there are"
            return CommandError(said, hint=hint, code=ExitCode.NOT_FOUND)
        case errors.PoolNotFoundError():
            hint = "`sojourn pools` shows those there are, `sojourn pools NAME --size N` makes one"
            return CommandError(said, hint=hint, code=ExitCode.NOT_FOUND)
        case (
            errors.StoreUnavailableError()
            | errors.CatalogUnavailableError()
            | errors.BlobsUnavailableError()
            | errors.OutcomeUnknownError()
        ):
            hint = "`sojourn doctor` says what is wrong"
            return CommandError(
                f"the server at {server.target} has trouble: {said}", hint=hint, code=ExitCode.UNREACHABLE
            )
        case errors.UnavailableError() | errors.DeadlineExceededError():
            return _unreachable(server, said)
        case errors.AccessDeniedError():
            key = server.origins.get("api_key")
            hint = f"the key is from {key}" if key else "--api-key, SOJOURN_API_KEY or a profile says who you are"
            return CommandError(f"{server.target} refuses: {said}", hint=hint, code=ExitCode.DENIED)
        case errors.SojournError() | OSError():
            return CommandError(said, hint=_next_step(error))
        case _:
            hint = "this is a defect; SOJOURN_DEBUG=1 shows the traceback"
            return CommandError(f"{type(error).__name__}: {error}", hint=hint)


def _next_step(error: Exception) -> str:
    """What to do about errors that say all else themselves; empty when they say that, too."""
    from sojourn import errors

    match error:
        case errors.ServerError(code="UNIMPLEMENTED"):
            return "the server does not know this call: is it older than this program? `sojourn doctor` tells"
        case errors.ServerError(error_id=str(name)) if name:
            return f"this is a defect of the server; its log has more under {name}"
        case errors.SessionEndedError():
            return f"`sojourn resume {error.session_id}` makes it active again"
        case errors.TemplateAlreadyExistsError():
            return "--replace takes its place"
        case errors.RevisionConflictError():
            return f"`sojourn show {error.session_id}` shows what it is now"
        case FileNotFoundError() | IsADirectoryError() | PermissionError():
            return "is the name of the file right?"
        case _:
            return ""


def _first(error: Exception) -> Exception:
    """The error itself; of a group, its first."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _unreachable(server: Server, said: str) -> CommandError:
    origin = server.origins.get("target", "")
    named = f"{server.target}, which {origin} names," if origin and origin != "--target" else server.target
    hint = "start one with `sojourn serve`, or name another with --target"
    return CommandError(f"no server answers at {named} ({said})", hint=hint, code=ExitCode.UNREACHABLE)
