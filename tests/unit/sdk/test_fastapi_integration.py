"""What the FastAPI integration does without a service."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest

import sojourn
from sojourn.integrations.fastapi import SessionManager, error_response, status_of


def test_without_fastapi_it_says_what_to_install():
    program = "import sys; sys.modules['fastapi'] = None\nimport sojourn.integrations.fastapi"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1].endswith("pip install 'sojourn[fastapi]'")


def every_error(kind=sojourn.SojournError):
    return [kind, *(each for child in kind.__subclasses__() for each in every_error(child))]


def test_every_error_has_a_status():
    found = {error.__name__: status_of(error()) for error in every_error() if error.__module__ == "sojourn.errors"}
    assert set(found.values()) == {403, 404, 409, 410, 413, 422, 429, 500, 503, 504}
    assert {name for name, status in found.items() if status == 500} == {
        "SojournError", "ClientStateError", "ClientNotConnectedError", "ClientAlreadyConnectedError",
        "ClientClosedError", "SessionNotLoadedError", "ArtifactCorruptError", "AccessDeniedError", "ServerError",
        "ProtocolError",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "status"), [("sessions_per_user", 429), ("requests_per_session", 429), ("requests_per_server", 503)]
)
def test_a_limit_is_the_callers_or_everybodys(name, status):
    error = sojourn.LimitExceededError("full", limit_name=name, retry_after=timedelta(seconds=2.1))
    response = error_response(error)
    assert (response.status_code, response.headers["Retry-After"]) == (status, "3")


def test_defects_say_nothing_of_themselves():
    response = error_response(sojourn.ServerError("engine at 10.0.0.7 broke", reason="INTERNAL"))
    assert response.status_code == 500
    assert json.loads(response.body) == {"detail": "the request could not be handled", "reason": "INTERNAL"}


def test_settings_of_the_environment_must_be_numbers(monkeypatch):
    monkeypatch.setenv("CHAT_SESSION_TIMEOUT", "an hour")
    with pytest.raises(ValueError, match="an hour"):
        SessionManager.from_environment("CHAT_")
