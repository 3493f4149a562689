"""The recorded airline conversations as threads of the query service: 20 users at a time, each with at most ten
sessions, and statistics that are exact for each user and tool. What they must be is computed from the recordings."""

import asyncio
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

import sojourn
from tests.support.recordings import recorded_lines
from tests.support.waiting import wait_until
from tests.support.web import called, example

service = example("query_service")

USERS = [f"passenger-{number:02}" for number in range(20)]
LIMIT = 10
TOO_MANY = 2


@dataclass
class Turn:
    """A question, the tools that were used, and the answer, if there was one."""

    question: str
    tools: list[tuple[str, Any, str]]
    answer: str | None


def turns_of(messages: list[dict[str, Any]]) -> list[Turn]:
    """A recorded conversation, question by question."""
    results = iter([message["content"] for message in messages if message["role"] == "tool"])  # each follows its call
    turns: list[Turn] = []
    for message in messages:
        if message["role"] == "user":
            turns.append(Turn(message["content"], [], None))
        elif message["role"] == "assistant":
            for call in message.get("tool_calls") or []:
                function = call["function"]
                turns[-1].tools.append((function["name"], json.loads(function["arguments"]), next(results)))
            turns[-1].answer = message["content"] or turns[-1].answer
    return turns


def dealt() -> dict[str, list[list[dict[str, Any]]]]:
    """The conversations of each user."""
    hands = defaultdict(list)
    for number, line in enumerate(recorded_lines()):
        hands[USERS[number % len(USERS)]].append(line["traj"])
    return hands


async def recorded(query: sojourn.ThreadQuery, parameters: dict[str, Any]) -> str | None:
    """An agent that uses the tools and gives the answers that were recorded."""
    for tool, arguments, result in parameters["tools"]:
        async with query.invocation(tool, arguments=arguments) as call:
            call.result = result
            if result.startswith("Error"):
                call.status = "failed"
    return parameters["answer"]


async def converse(http, user: str, thread_id: str, turns: list[Turn]) -> None:
    for turn in turns:
        body = {
            "query": turn.question,
            "agent_type": "recorded",
            "thread_id": thread_id,
            "user_id": user,
            "parameters": {"tools": turn.tools, "answer": turn.answer},
        }
        answered = await http.post("/query", json=body)
        assert answered.status_code == 200, answered.text
        assert answered.json()["response"] == turn.answer
        assert answered.json()["metadata"]["thread_id"] == thread_id


async def travel(http, user: str, conversations: list[list[dict[str, Any]]]) -> None:
    """All conversations of a user at a time; meanwhile the user opens as many sessions as there may be, and more."""
    told = {f"{user}-{number}": turns_of(messages) for number, messages in enumerate(conversations)}
    await asyncio.gather(*[converse(http, user, each, turns[:1]) for each, turns in told.items()])
    further = LIMIT - len(told) + TOO_MANY
    opened, *_ = await asyncio.gather(
        asyncio.gather(*[http.post("/sessions", json={"user_id": user}) for _ in range(further)]),
        *[converse(http, user, each, turns[1:]) for each, turns in told.items()],
    )
    assert Counter(response.status_code for response in opened) == {201: further - TOO_MANY, 429: TOO_MANY}


def used(conversations: list[list[dict[str, Any]]]) -> dict[str, dict[str, int]]:
    """How often each tool was used, and how it went, as the recordings have it."""
    answers = [message for messages in conversations for message in messages if message["role"] == "tool"]
    every = Counter(answer["name"] for answer in answers)
    failed = Counter(answer["name"] for answer in answers if answer["content"].startswith("Error"))
    return {
        tool: {"invocations": count, "succeeded": count - failed[tool], "failed": failed[tool]}
        for tool, count in every.items()
    }


def said(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Each question, and the last that was said before the next one."""
    texts = [(message["role"], message["content"]) for message in messages if message["role"] in ("user", "assistant")]
    texts = [text for text in texts if text[1]]
    return [text for text, following in pairwise([*texts, ("user", "")]) if "user" in (text[0], following[0])]


@pytest.fixture(scope="module")
def target(places, deployment):
    recorded_lines()  # nothing is started where there are none
    with places.serving(deployment, sessions_per_user=LIMIT) as server:
        yield server.target


async def test_the_recorded_sessions_give_exact_statistics_per_user_and_tool(target, client):
    hands = dealt()
    everything = [messages for conversations in hands.values() for messages in conversations]
    count = sum(len(said(messages)) for messages in everything)
    async with called(service.create_app({"recorded": recorded}, target=target)) as http:
        await asyncio.gather(*[travel(http, user, conversations) for user, conversations in hands.items()])

        async def complete():
            stats = (await http.get("/sessions/stats")).json()
            return stats if (stats["messages"], stats["total_sessions"]) == (count, len(USERS) * LIMIT) else None

        stats = await wait_until(complete, timeout=30, description="the statistics have seen it all")
        assert stats["active_sessions_memory"] == len(USERS) * LIMIT
        assert stats["tools"] == used(everything)
        assert stats["users"] == {
            user: {"sessions": LIMIT, "messages": sum(map(len, map(said, conversations))), "tools": used(conversations)}
            for user, conversations in hands.items()
        }
        for user, conversations in hands.items():
            listed = (await http.get(f"/users/{user}/sessions")).json()
            asked = {each["session_id"]: each["metadata"]["query_count"] for each in listed["sessions"]}
            assert len(asked) == listed["count"] == LIMIT
            assert {each: number for each, number in asked.items() if number} == {
                f"{user}-{number}": sum(message["role"] == "user" for message in messages)
                for number, messages in enumerate(conversations)
            }

    async def told(thread_id):
        return [(message.role, message.content) async for message in client.session(thread_id).messages()]

    ids = {f"{user}-{number}": each for user, hand in hands.items() for number, each in enumerate(hand)}
    assert await asyncio.gather(*map(told, ids)) == [said(messages) for messages in ids.values()]
