"""The example of a chat back end, behind a real uvicorn, called as browsers call it."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

import sojourn
from sojourn.testing import ServerProcess
from tests.support.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"

WORDS = " ".join(f"word{number}" for number in range(40))
"""Takes some seconds to answer."""


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """Target of a service that lets one request wait in a session."""
    process = ServerProcess(queued_per_session=1)
    process.start()
    try:
        yield process.wait_ready(timeout=30)
    finally:
        process.stop()


@pytest.fixture(scope="module")
def address(service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the back end serves; at the end it must have logged no traceback."""
    log = tmp_path_factory.mktemp("chat") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "chat_backend:app", "--app-dir", EXAMPLES, "--port", "0"],
            env=os.environ | {"SOJOURN_TARGET": service},
            stdout=output,
            stderr=output,
        )

    def serving() -> re.Match[str] | None:
        assert process.poll() is None, log.read_text()
        return re.search(r"running on (http://[\d.:]+)", log.read_text())

    try:
        yield asyncio.run(wait_until(serving, timeout=30, description="uvicorn serves"))[1]
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            print(log.read_text())
    assert "Traceback" not in log.read_text()


class Chat:
    """What its users do, and what the service knows of it."""

    def __init__(self, http: httpx.AsyncClient, client: sojourn.Client) -> None:
        self.http = http
        self.client = client

    async def conversation(self) -> str:
        response = await self.http.post("/conversations")
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def post(self, conversation: str, text: str, **options: str) -> asyncio.Task[httpx.Response]:
        path = f"/conversations/{conversation}/messages"
        return asyncio.create_task(self.http.post(path, json={"text": text, **options}))

    async def until_requests_are(self, conversation: str, *states: str) -> None:
        async def seen() -> bool:
            return [request.state async for request in self.client.requests(session_id=conversation)] == list(states)

        await wait_until(seen, description=f"requests that are {states}")

    async def messages(self, conversation: str) -> list[str]:
        messages = self.client.session(conversation).messages()
        return [f"{message.role}: {message.content}" async for message in messages]


@pytest.fixture
async def chat(service: str, address: str) -> AsyncIterator[Chat]:
    http = httpx.AsyncClient(base_url=address, timeout=30, trust_env=False)  # a proxy has no part in this
    async with http, sojourn.Client(service) as client:
        yield Chat(http, client)


async def test_a_chat_answers_and_refuses_what_does_not_exist(chat: Chat) -> None:
    conversation = await chat.conversation()
    answered = await chat.post(conversation, "Hello")
    assert (answered.status_code, answered.json()) == (200, {"text": "You said: Hello", "interrupted": False})
    assert await chat.messages(conversation) == ["user: Hello", "assistant: You said: Hello"]

    unknown = await chat.post("nowhere", "Hello")
    assert unknown.status_code == 404
    assert "nowhere" in unknown.json()["detail"]


async def test_messages_of_a_chat_wait_in_line_and_too_many_are_refused(chat: Chat) -> None:
    conversation = await chat.conversation()
    first = chat.post(conversation, WORDS)
    await chat.until_requests_are(conversation, "admitted")
    second = chat.post(conversation, "And this?")
    await chat.until_requests_are(conversation, "admitted", "queued")

    third = await chat.post(conversation, "And that?")
    assert third.status_code == 429
    assert int(third.headers["Retry-After"]) >= 1

    assert [(await task).status_code for task in (first, second)] == [200, 200]
    assert await chat.messages(conversation) == [
        f"user: {WORDS}",
        f"assistant: You said: {WORDS}",
        "user: And this?",
        "assistant: You said: And this?",
    ]


async def test_typing_again_interrupts_a_chats_answer_and_keeps_what_was_said(chat: Chat) -> None:
    conversation = await chat.conversation()
    first = chat.post(conversation, WORDS)
    await chat.until_requests_are(conversation, "admitted")
    second = await chat.post(conversation, "No, this!", when_busy="interrupt")
    assert second.json() == {"text": "You said: No, this!", "interrupted": False}

    interrupted = (await first).json()
    assert interrupted["interrupted"]
    assert f"You said: {WORDS}".startswith(interrupted["text"])
    assert len(interrupted["text"]) < len(WORDS)
    assert (await chat.messages(conversation))[1] == f"assistant: {interrupted['text']}"


async def test_closing_the_tab_of_a_chat_ends_the_request(chat: Chat) -> None:
    conversation = await chat.conversation()
    first = chat.post(conversation, WORDS)
    await chat.until_requests_are(conversation, "admitted")
    waiting = chat.post(conversation, "And this?")
    await chat.until_requests_are(conversation, "admitted", "queued")
    for tab in (waiting, first):
        tab.cancel()
    await chat.until_requests_are(conversation)
    assert await chat.messages(conversation) == [f"user: {WORDS}"]
    (end,) = [
        change
        async for event in chat.client.session(conversation).events(kinds="request_finished", limit=1, reverse=True)
        for change in event.changes
        if isinstance(change, sojourn.RequestFinished)
    ]
    assert end.outcome == "cancelled"


async def test_others_see_the_words_of_a_chat_as_they_come(chat: Chat) -> None:
    conversation = await chat.conversation()
    posted = chat.post(conversation, WORDS)
    seen, last = [], ""
    async with chat.http.stream("GET", f"/conversations/{conversation}/events") as stream:
        async for line in stream.aiter_lines():
            if line.startswith("id: "):
                last = line.removeprefix("id: ")
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                seen += [change for change in event["changes"] if change["kind"] == "request_progressed"]
            if len(seen) == 2:
                break
    assert all(f"You said: {WORDS}".startswith(change["text"]) for change in seen)
    assert len(seen[0]["text"]) < len(seen[1]["text"])

    # A tab that comes back goes on after the last event it saw.
    path, headers = f"/conversations/{conversation}/events", {"Last-Event-ID": last}
    async with chat.http.stream("GET", path, headers=headers) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                (change,) = json.loads(line.removeprefix("data: "))["changes"]
                assert change["kind"] in ("request_progressed", "message_appended")
                if change["kind"] == "message_appended":
                    assert change["content"] == f"You said: {WORDS}"
                    break
                assert len(change["text"]) > len(seen[1]["text"])
    assert (await posted).status_code == 200
