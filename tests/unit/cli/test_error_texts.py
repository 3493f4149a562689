"""What commands say when something is wrong: what, the next step, and an exit code."""

import pytest

from sojourn import errors
from sojourn.cli._errors import explain
from sojourn.cli._profiles import Server

SERVER = Server("x:1")
KEYED = Server("x:1", api_key="k", origins={"api_key": "profile prod"})


@pytest.mark.parametrize(
    ("error", "code", "hint"),
    [
        (errors.SessionNotFoundError("s"), 3, "sojourn list"),
        (errors.SessionDeletedError("s"), 3, "sojourn list"),
        (errors.RequestNotFoundError("r"), 3, "sojourn requests"),
        (errors.TemplateNotFoundError("t"), 3, "sojourn templates"),
        (errors.ArtifactNotFoundError("a", session_id="s"), 3, "sojourn artifacts s"),
        (errors.PoolNotFoundError("p"), 3, "sojourn pools NAME --size N"),
        (errors.ServerUnreachableError("refused"), 4, "sojourn serve"),
        (errors.DeadlineExceededError("late"), 4, "sojourn serve"),
        (errors.CatalogUnavailableError("away"), 4, "sojourn doctor"),
        (errors.AccessDeniedError("who?"), 5, "--api-key"),
        (errors.ServerError("Method not found!", code="UNIMPLEMENTED"), 1, "older than this program"),
        (errors.ServerError("oh", code="INTERNAL", error_id="e-17"), 1, "e-17"),
        (errors.SessionEndedError("s", session_id="s-1"), 1, "sojourn resume s-1"),
        (errors.RevisionConflictError("r", session_id="s-1"), 1, "sojourn show s-1"),
        (errors.TemplateAlreadyExistsError("t"), 1, "--replace"),
        (FileNotFoundError(2, "No such file", "x.png"), 1, "the name of the file"),
        (ZeroDivisionError("oh"), 1, "SOJOURN_DEBUG=1"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_comes_with_the_next_step(error, code, hint):
    explained = explain(error, SERVER)
    assert explained.exit_code == code
    assert hint in explained.hint
    assert explained.message


def test_who_named_the_key_that_is_refused_is_said():
    assert "profile prod" in explain(errors.AccessDeniedError("no"), KEYED).hint
