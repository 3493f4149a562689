"""A chat back end: one answer at a time in each conversation, however often its user presses enter.

pip install fastapi uvicorn
SOJOURN_TARGET=HOST:PORT uvicorn chat_backend:app --app-dir examples

    POST /conversations                                                               a new conversation
    POST /conversations/{id}/messages  {"text": "Hello", "when_busy": "interrupt"}    the answer
    GET  /conversations/{id}/events                                                   what happens, as it happens

An answer is a tracked request of the conversation's session, so the rules hold over any number of back ends: a message
that comes too early waits in line ("queue") or cuts the answer short ("interrupt"), too many get 429, and closing the
tab stops the answer.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil
from typing import Annotated, Literal

from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

import sojourn


@asynccontextmanager
async def connected(app: FastAPI) -> AsyncIterator[None]:
    # The address is in SOJOURN_TARGET. Over a limit the client would try again for half a minute; nobody waits so long.
    async with sojourn.Client(timeouts=sojourn.Timeouts(total=2)) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=connected)


class Conversation(BaseModel):
    id: str


class NewMessage(BaseModel):
    text: str
    when_busy: Literal["queue", "interrupt"] = "queue"


class Answer(BaseModel):
    text: str
    interrupted: bool


async def model(text: str) -> AsyncIterator[str]:
    """Stands for a language model: says the user's words again, one at a time."""
    for word in ["You", "said:", *text.split()]:
        await asyncio.sleep(0.1)
        yield word


async def answer(client: sojourn.Client, conversation_id: str, message: NewMessage) -> Answer:
    """Wait for our turn, then answer; every word is progress that others see."""
    session = client.session(conversation_id)
    # "flag": the loop below looks whether it is to stop, and what was said by then is kept.
    async with session.track("answer", policy=message.when_busy, timeout=30, on_cancel="flag") as request:
        print(f"{message.text!r} waited {request.queued_for.total_seconds():.1f} s", flush=True)
        try:
            await session.add_message("user", message.text)
            words: list[str] = []
            async for word in model(message.text):
                words.append(word)
                # How much is still to come nobody knows, so the fraction only ever nears 1.
                await request.progress(len(words) / (len(words) + 5), " ".join(words))
                if request.cancelled:
                    break
            await session.add_message("assistant", " ".join(words))
        except asyncio.CancelledError:
            print(f"{message.text!r} was given up", flush=True)
            raise
        print(f"{message.text!r} was {'interrupted' if request.cancelled else 'answered'}", flush=True)
        return Answer(text=" ".join(words), interrupted=bool(request.cancelled))


@app.post("/conversations", status_code=201)
async def create_conversation(http: Request) -> Conversation:
    session = await http.app.state.client.create_session(kind="chat", max_concurrent_requests=1)
    return Conversation(id=session.id)


@app.post("/conversations/{conversation_id}/messages", response_model=Answer)
async def post_message(conversation_id: str, message: NewMessage, http: Request) -> Answer | Response:
    answering = asyncio.create_task(answer(http.app.state.client, conversation_id, message))
    leaving = asyncio.create_task(left(http))
    await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if not answering.done():
        answering.cancel()  # which leaves the block in `answer`, and so ends the request, at work or in line
        return Response(status_code=499)  # nobody reads it
    return answering.result()


async def left(http: Request) -> None:
    """Return when the one who asked has gone away."""
    while (await http.receive())["type"] != "http.disconnect":
        pass


@app.get("/conversations/{conversation_id}/events")
async def follow(
    conversation_id: str, http: Request, last_event_id: Annotated[str | None, Header()] = None
) -> StreamingResponse:
    session = await http.app.state.client.get_session(conversation_id)

    async def lines() -> AsyncIterator[str]:
        # A browser that comes back names the last event it saw and misses nothing.
        async for event in session.watch(after=last_event_id or 0):
            yield f"id: {event.cursor}\ndata: {event.model_dump_json()}\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


def failure(status: int, error: sojourn.SojournError) -> Response:
    headers = {}
    if status in (429, 503):
        headers["Retry-After"] = str(ceil(error.retry_after.total_seconds()) if error.retry_after else 1)
    return JSONResponse({"detail": str(error)}, status, headers)


@app.exception_handler(sojourn.SojournError)
async def explain(http: Request, error: sojourn.SojournError) -> Response:
    match error:
        case sojourn.SessionNotFoundError():
            return failure(404, error)
        case sojourn.SessionEndedError() | sojourn.TrackingError():  # cancelled in line, or its lease was taken away
            return failure(409, error)
        case sojourn.LimitExceededError() | sojourn.QueueTimeoutError():
            return failure(429, error)
        case sojourn.UnavailableError():
            return failure(503, error)
    return failure(500, error)
