"""A query service: agents answer questions in threads, which remember what was said before.

pip install 'sojourn[fastapi]' uvicorn
SOJOURN_SESSIONS_PER_USER=10 sojourn serve
uvicorn query_service:app --app-dir examples --port 8080

    POST   /query                  {"query": "...", "agent_type": "advanced", "thread_id": "...", "user_id": "..."}
    POST   /sessions               {"user_id": "...", "metadata": {...}}
    GET    /sessions/{id}          DELETE /sessions/{id}
    GET    /users/{id}/sessions    GET    /sessions/stats    POST /sessions/cleanup

QUERY_SERVICE_CONFIG names a YAML file whose section `sessions` has the fields of `Settings`. How many sessions a user
may have, and where they are stored, are settings of the service: then they hold for any number of front ends.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

import sojourn
from sojourn.integrations.fastapi import add_error_handlers, until_disconnected

Agent = Callable[[sojourn.ThreadQuery, Mapping[str, Any]], Awaitable[str | None]]
"""Answers a query; the second argument is what its caller gave as `parameters`."""


async def simple(query: sojourn.ThreadQuery, parameters: Mapping[str, Any]) -> str:
    """Stands for an agent that knows nothing but the question."""
    return f"You said: {query.text}"


async def advanced(query: sojourn.ThreadQuery, parameters: Mapping[str, Any]) -> str:
    """Stands for an agent that uses a tool, and knows what was said before."""
    async with query.invocation("recall", arguments={"about": query.text}) as call:
        call.result = [message.content for message in await query.history() if message.role == "user"]
    before = f"Before that: {'; '.join(call.result)}" if call.result else "That is new to me."
    return f"You said: {query.text}. {before}"


class Settings(BaseModel):
    """The section `sessions` of the configuration; what is a setting of the service is left to it."""

    timeout_hours: float = 24
    cleanup_interval_minutes: float = 60


class Query(BaseModel):
    query: str
    agent_type: str = "advanced"
    thread_id: str | None = None
    user_id: str | None = None
    parameters: dict[str, Any] = {}


class Answer(BaseModel):
    response: str | None
    execution_time: float
    metadata: dict[str, Any]


class NewSession(BaseModel):
    user_id: str | None = None
    metadata: dict[str, Any] = {}


class SessionView(BaseModel):
    session_id: str
    user_id: str
    status: str
    created_at: datetime
    last_activity: datetime
    expires_at: datetime | None
    metadata: dict[str, Any]
    context: dict[str, Any]


def view(thread: sojourn.Thread) -> SessionView:
    info, context = thread.session.info, thread.context.model_dump()
    if thread.context.last_execution_time is not None:
        context["last_execution_time"] = thread.context.last_execution_time.total_seconds()
    return SessionView(
        session_id=info.id,
        user_id=info.user_id,
        status=info.status,
        created_at=info.create_time,
        last_activity=info.update_time,
        expires_at=info.expire_time,
        metadata=thread.metadata,
        context=context,
    )


def tools(statistics: sojourn.Statistics) -> dict[str, Any]:
    names = {"invocations", "succeeded", "failed"}
    return {tool.tool: tool.model_dump(include=names) for tool in statistics.tools}


def create_app(agents: Mapping[str, Agent], *, target: str | None = None, settings: Settings | None = None) -> FastAPI:
    """The service with these agents; `target` is where Sojourn is, by default what SOJOURN_TARGET says."""
    settings = settings or Settings()
    client = sojourn.Client(target, writer="query-service", timeouts=sojourn.Timeouts(total=10))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with client:
            cleaning = asyncio.create_task(clean_up_for_ever())
            yield
            cleaning.cancel()

    app = FastAPI(lifespan=lifespan)
    add_error_handlers(app)

    async def open_thread(
        thread_id: str | None, user_id: str | None, metadata: Mapping[str, Any], created_from: str
    ) -> sojourn.Thread:
        return await client.thread(
            thread_id,
            user_id=user_id or "",
            metadata={"created_from": created_from, **metadata},
            idle_timeout=timedelta(hours=settings.timeout_hours),
            if_ended="new",  # one that has expired is as good as gone
        )

    @app.post("/query", response_model=Answer)
    async def ask(body: Query, http: Request) -> Answer | Response:
        agent = agents.get(body.agent_type)
        if agent is None:
            raise HTTPException(422, f"agent_type: expected one of {', '.join(agents)}")
        thread = await open_thread(body.thread_id, body.user_id, {}, "query")
        async with until_disconnected(http), thread.query(body.query, agent=body.agent_type, timeout=60) as query:
            try:
                query.response = await agent(query, body.parameters)
            except sojourn.SojournError:
                raise
            except Exception as error:  # it is counted, and the thread goes on
                query.error = str(error) or type(error).__name__
        metadata = {"thread_id": thread.id, "user_id": thread.user_id, "agent_type": body.agent_type}
        if query.error is not None:
            return JSONResponse({"detail": query.error, "metadata": metadata}, 500)
        seconds = query.execution_time.total_seconds() if query.execution_time else 0.0
        return Answer(response=query.response, execution_time=seconds, metadata=metadata)

    @app.post("/sessions", status_code=201)
    async def create(body: NewSession) -> SessionView:
        return view(await open_thread(None, body.user_id, body.metadata, "sessions"))

    @app.get("/sessions/stats")
    async def statistics() -> dict[str, Any]:
        active = await client.count_sessions(kind="thread", status="active")
        report = await client.statistics(kind="thread", group_by="user")  # may be some seconds behind
        return {
            "storage_type": "sojourn",
            "active_sessions_memory": active,
            "total_sessions": report.total.sessions,
            "sessions_by_status": report.total.sessions_by_status,
            "messages": report.total.counters.messages,
            "tools": tools(report.total),
            "users": {
                user.group: {
                    "sessions": user.statistics.sessions,
                    "messages": user.statistics.counters.messages,
                    "tools": tools(user.statistics),
                }
                for user in report.buckets
            },
        }

    @app.post("/sessions/cleanup")
    async def clean_up() -> dict[str, int]:
        cleaned = 0
        async for progress in client.cleanup(kind="thread", status=["expired", "abandoned"]):
            cleaned = progress.cleaned
        return {"cleaned_sessions": cleaned}

    async def clean_up_for_ever() -> None:
        while True:
            await asyncio.sleep(settings.cleanup_interval_minutes * 60)
            with suppress(sojourn.SojournError):  # the next time, then
                await clean_up()

    @app.get("/sessions/{session_id}")
    async def get(session_id: str) -> SessionView:
        thread = sojourn.Thread(await client.get_session(session_id))
        if thread.session.info.kind != "thread" or not thread.session.info.is_active:
            raise HTTPException(404, f"there is no session {session_id}")
        return view(thread)

    @app.delete("/sessions/{session_id}")
    async def delete(session_id: str) -> dict[str, str]:
        if (await client.get_session(session_id)).info.kind != "thread":
            raise HTTPException(404, f"there is no session {session_id}")
        await client.delete_session(session_id)
        return {"deleted": session_id}

    @app.get("/users/{user_id}/sessions")
    async def list_of_user(user_id: str) -> dict[str, Any]:
        sessions = [view(thread) async for thread in client.threads(user_id=user_id)]
        return {"user_id": user_id, "sessions": sessions, "count": len(sessions)}

    return app


def configured() -> Settings:
    path = os.environ.get("QUERY_SERVICE_CONFIG")
    return Settings.model_validate(yaml.safe_load(Path(path).read_text())["sessions"]) if path else Settings()


app = create_app({"simple": simple, "advanced": advanced}, settings=configured())
