"""A chat back end: one answer at a time in each conversation, however often its user presses enter.

pip install 'sojourn[fastapi]' uvicorn
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
from typing import Annotated, Literal

from fastapi import FastAPI, Header, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from sojourn.integrations.fastapi import SessionManager, until_disconnected

# The address is in SOJOURN_TARGET.
sessions = SessionManager(requests_per_session=1, session_timeout=None, queue_timeout=30)
app = FastAPI(lifespan=sessions.lifespan)
sessions.install(app)  # what is unknown is 404, who asks too much gets 429


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


async def answer(conversation_id: str, message: NewMessage) -> Answer:
    """Wait for our turn, then answer; every word is progress that others see."""
    # "flag": the loop below looks whether it is to stop, and what was said by then is kept.
    async with sessions.track_request(
        conversation_id, name="answer", policy=message.when_busy, on_cancel="flag"
    ) as session:
        request = session.request
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
async def create_conversation() -> Conversation:
    return Conversation(id=(await sessions.create_session()).id)


@app.post("/conversations/{conversation_id}/messages")
async def post_message(conversation_id: str, message: NewMessage, http: Request) -> Answer:
    async with until_disconnected(http):  # a closed tab leaves the block in `answer`, and so ends the request
        return await answer(conversation_id, message)


@app.get("/conversations/{conversation_id}/events")
async def follow(conversation_id: str, last_event_id: Annotated[str | None, Header()] = None) -> StreamingResponse:
    session = await sessions.client.get_session(conversation_id)

    async def lines() -> AsyncIterator[str]:
        # A browser that comes back names the last event it saw and misses nothing.
        async for event in session.watch(after=last_event_id or 0):
            yield f"id: {event.cursor}\ndata: {event.model_dump_json()}\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")
