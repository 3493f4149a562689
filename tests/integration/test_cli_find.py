"""The `sojourn` program finds sessions and invocations."""

import json
from uuid import uuid4

import pytest

import sojourn as sdk
from tests.support.command import sojourn


@pytest.fixture
def corpus(replayed):
    return replayed.sessions


@pytest.fixture
async def client(replayed):
    async with sdk.Client(replayed.target) as client:
        yield client


@pytest.fixture
def unique():
    """A word that no other test has; sessions a test makes carry it as project, so that others do not see them."""
    return f"w{uuid4().hex[:12]}"


async def test_a_list_by_conditions(replayed, corpus):
    wanted = [
        each.info.id
        for each in corpus
        if each.info.user_id == "user-1" and each.info.metadata["reward"] == 1 and each.holds(["economy"])
    ]
    chosen = ["--user", "user-1", "--metadata", "reward=1.0", "--tag", "airline", "--any-tag", "group-1"]
    chosen += ["--any-tag", "x", "--status", "completed", "--kind", "replay", "--text", "economy"]
    chosen += ["--tier", "hot", "--tier", "recent", "--project", "support"]
    chosen += [option for what in ("created", "updated", "ended") for option in (f"--{what}-after", "1h")]
    done = await sojourn("list", *chosen, "-o", "json", target=replayed.target)
    assert [json.loads(line)["id"] for line in done.lines] == wanted != [], done.stderr
    counted = await sojourn("list", *chosen, "--count", target=replayed.target)
    assert counted.stdout == f"{len(wanted)}\n"
    table = await sojourn("list", *chosen, "--limit", "2", target=replayed.target)
    assert [line.split()[0] for line in table.lines if line.lstrip().startswith("rec-")] == wanted[:2]
    none = await sojourn("list", *chosen, "--created-before", "1h", target=replayed.target)
    assert (none.code, none.stdout, none.stderr) == (0, "", "no sessions\n")


async def test_a_search(replayed, corpus):
    wanted = [each.info.id for each in corpus if each.holds(["travel", "insurance"], sources=["message"])]
    query = ("search", '"travel insurance"', "--source", "message", "--kind", "replay")
    done = await sojourn(*query, "--limit", "100", "-o", "json", target=replayed.target)
    found = [sdk.FoundSession.model_validate_json(line) for line in done.lines]
    assert sorted(each.session.id for each in found) == sorted(wanted)
    shown = await sojourn(*query, target=replayed.target)
    heads = [line.split()[0] for line in shown.lines if line.startswith("rec-")]
    assert heads == [each.session.id for each in found[:20]]
    pieces = [line for line in shown.lines if line.startswith("  message")]
    assert len(pieces) >= len(heads)
    assert all("travel insurance" in line.lower() for line in pieces)
    nothing = await sojourn("search", "nowhere" * 3, target=replayed.target)
    assert (nothing.code, nothing.stdout, nothing.stderr) == (0, "", "nothing found\n")


async def test_a_query_without_words_is_explained(replayed):
    done = await sojourn("search", "...", target=replayed.target)
    assert done.code == 1
    assert "query" in done.stderr
    assert "Traceback" not in done.stderr


async def test_invocations(replayed, client, unique):
    session = await client.create_session(f"{unique}-s", project=unique, user_id=f"{unique}-ann")
    await session.record_invocation("pay", arguments={"amount": 12}, duration=2.5, status="failed", error="declined")
    await session.record_invocation("look", duration=0.1, result={"found": 3})
    chosen = ["--project", unique, "--user", f"{unique}-ann", "--session", session.id, "--since", "1h"]
    done = await sojourn("invocations", *chosen, target=replayed.target)
    rows = [" ".join(line.split()) for line in done.lines if line.lstrip().startswith(unique)]
    assert [("look succeeded" in row, "pay failed" in row) for row in rows] == [(True, False), (False, True)]
    assert rows[0].endswith('0.10 s {"found": 3}')
    assert rows[1].endswith('2.50 s {"amount": 12} declined')
    slow = await sojourn("invocations", *chosen, "--slower-than", "2s", "-o", "json", target=replayed.target)
    [call] = [sdk.Invocation.model_validate_json(line) for line in slow.lines]
    assert (call.tool, call.arguments, call.error) == ("pay", {"amount": 12}, "declined")
    for more in (["--running"], ["--until", "1h"], ["--tool", "x"], ["--status", "cancelled"]):
        none = await sojourn("invocations", *chosen, "--faster-than", "1m", *more, target=replayed.target)
        assert (none.stdout, none.stderr) == ("", "no invocations\n")
