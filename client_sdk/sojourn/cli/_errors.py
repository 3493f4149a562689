"""How commands fail: an exit code, one readable message, the next step, no traceback."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from enum import IntEnum
from typing import IO, Any

import click

EXIT_CODES = """\b
Exit codes:
  0    success
  1    failure
  2    wrong usage
  3    no such session, request, artifact or pool
  4    the server cannot be reached
  130  interrupted with Ctrl-C"""


class ExitCode(IntEnum):
    """The process's exit codes."""

    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
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


def run(main: Coroutine[Any, Any, None], *, target: str) -> None:
    """Runs a command's coroutine and turns what it raises into a CommandError.

    Ctrl-C cancels the coroutine first, so streams and files are closed, and then exits with 130.
    """
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
        raise explain(cause, target=target) from error


def explain(error: Exception, *, target: str) -> CommandError:
    """The CommandError that tells a user about an error."""
    from sojourn import errors

    match error:
        case errors.SessionNotFoundError():
            return CommandError(str(error), hint="`sojourn list` shows the sessions there are", code=ExitCode.NOT_FOUND)
        case errors.RequestNotFoundError():
            hint = "`sojourn requests` shows the live ones"
            return CommandError(str(error), hint=hint, code=ExitCode.NOT_FOUND)
        case errors.TemplateNotFoundError():
            return CommandError(str(error), hint="`sojourn templates` shows those there are", code=ExitCode.NOT_FOUND)
        case errors.ArtifactNotFoundError():
            hint = f"`sojourn artifacts {error.session_id}` shows those there are"
            return CommandError(str(error), hint=hint, code=ExitCode.NOT_FOUND)
        case errors.PoolNotFoundError():
            hint = "`sojourn pools` shows those there are, `sojourn pools NAME --size N` makes one"
            return CommandError(str(error), hint=hint, code=ExitCode.NOT_FOUND)
        case (
            errors.StoreUnavailableError()
            | errors.CatalogUnavailableError()
            | errors.BlobsUnavailableError()
            | errors.OutcomeUnknownError()
        ):
            return CommandError(f"the server at {target} has trouble: {error}", code=ExitCode.UNREACHABLE)
        case errors.UnavailableError() | errors.DeadlineExceededError():
            return _unreachable(target, error)
        case errors.SojournError() | OSError():
            return CommandError(str(error))
        case _:
            hint = "this is a defect; SOJOURN_DEBUG=1 shows the traceback"
            return CommandError(f"{type(error).__name__}: {error}", hint=hint)


def _first(error: Exception) -> Exception:
    """The error itself; of a group, its first."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _unreachable(target: str, error: Exception) -> CommandError:
    hint = "start one with `sojourn serve`, or name another with --target"
    return CommandError(f"no server answers at {target} ({error})", hint=hint, code=ExitCode.UNREACHABLE)
