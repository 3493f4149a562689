"""A chat server whose sessions live on Sojourn: restarts and other back ends lose none of them.

pip install 'sojourn[fastapi]' uvicorn websockets
CHAT_SESSION_TIMEOUT=60 CHAT_MAX_CONCURRENT=100 uvicorn chat_server:app --app-dir examples

    POST   /api/sessions    {"user_id": "...", "conversation_id": "...", "metadata": {"client_type": "web"}}
    GET    /api/sessions/{session_id}     DELETE /api/sessions/{session_id}
    GET    /api/users/{user_id}/session
    POST   /api/chat?session_id=...&message=...
    WS     /ws/{session_id}               one message, one answer; the session goes with the connection
    GET    /health                        GET /metrics
"""

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

import sojourn
from sojourn.integrations.fastapi import SessionManager, SessionSocket, TrackedSession


class NewSession(BaseModel):
    user_id: str | None = None
    conversation_id: str | None = None
    metadata: dict[str, Any] = {}


class SessionView(BaseModel):
    session_id: str
    user_id: str
    conversation_id: str | None
    created_at: datetime
    last_activity: datetime
    metadata: dict[str, Any]
    connection_count: int
    active_requests: list[str]


async def process_message(session: sojourn.SessionHandle, message: str) -> str:
    """Stands for what finds the answer: says the message again."""
    await session.add_message("user", message)
    await asyncio.sleep(0.01 * len(message.split()))
    await session.add_message("assistant", f"You said: {message}")
    return f"You said: {message}"


def create_app(sessions: SessionManager) -> FastAPI:
    app = FastAPI(lifespan=sessions.lifespan)
    sessions.install(app)
    app.include_router(sessions.router())

    async def view(session: sojourn.SessionHandle | None) -> SessionView:
        if session is None:
            raise HTTPException(404, "Session not found")
        info = session.info
        return SessionView(
            session_id=info.id,
            user_id=info.user_id,
            conversation_id=info.metadata.get("conversation_id"),
            created_at=info.create_time,
            last_activity=info.update_time,
            metadata=info.metadata,
            connection_count=info.connection_count,
            active_requests=[request.id async for request in session.requests(state="admitted")],
        )

    @app.post("/api/sessions", status_code=201)
    async def create(new: NewSession) -> SessionView:
        return await view(
            await sessions.create_session(
                user_id=new.user_id, conversation_id=new.conversation_id, metadata=new.metadata
            )
        )

    @app.get("/api/sessions/{session_id}")
    async def get(session_id: str) -> SessionView:
        return await view(await sessions.get_session(session_id))

    @app.get("/api/users/{user_id}/session")
    async def get_of_user(user_id: str) -> SessionView:
        return await view(await sessions.get_session_by_user(user_id))

    @app.delete("/api/sessions/{session_id}")
    async def delete(session_id: str) -> dict[str, str]:
        if not await sessions.delete_session(session_id):
            raise HTTPException(404, "Session not found")
        return {"deleted": session_id}

    # The handler's session is tracked: it ends with the handler, also when the client does not wait for the answer.
    @app.post("/api/chat")
    async def chat(message: str, session: Annotated[TrackedSession, sessions.tracked(name="chat")]) -> dict[str, str]:
        return {"response": await process_message(session, message)}

    @app.websocket("/ws/{session_id}")
    async def talk(socket: Annotated[SessionSocket, sessions.socket(on_disconnect="delete")]) -> None:
        async for message in socket.iter_text():
            await socket.send_json({"response": await process_message(socket.tracked, message)})

    return app


app = create_app(SessionManager.from_environment("CHAT_"))
