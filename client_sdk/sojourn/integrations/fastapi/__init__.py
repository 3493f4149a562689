"""FastAPI: handlers that get their tracked session, WebSockets that let go when their client leaves, metrics, health.

    sessions = SessionManager("localhost:7431", session_timeout=timedelta(minutes=60))
    app = FastAPI(lifespan=sessions.lifespan)
    sessions.install(app)                                       # errors of Sojourn become JSON responses

    @app.post("/chat/{session_id}")
    async def chat(message: str, session: Annotated[TrackedSession, sessions.tracked()]) -> dict[str, str]:
        ...

Needs `pip install 'sojourn[fastapi]'`.
"""

try:
    import fastapi as _fastapi  # noqa: F401 - asked for here, so that its absence is explained once
except ImportError as missing:
    raise ImportError("sojourn.integrations.fastapi needs FastAPI: pip install 'sojourn[fastapi]'") from missing

from ._disconnect import ClientGone, until_disconnected
from ._errors import add_error_handlers, error_response, status_of
from ._health import Health
from ._manager import Metrics, SessionManager
from ._sockets import SessionSocket
from ._tracking import TrackedSession

__all__ = [
    "ClientGone",
    "Health",
    "Metrics",
    "SessionManager",
    "SessionSocket",
    "TrackedSession",
    "add_error_handlers",
    "error_response",
    "status_of",
    "until_disconnected",
]
