"""A hundred QA clients at once on one server: each run's data is its own, whatever the order of things."""

import asyncio
import contextlib
import random
import re
import secrets

import sojourn
from sojourn import ArtifactAttached, LogAppended
from sojourn.qa import QAClient, QAContext, Workflow

CLIENTS = 100
CANARY = re.compile(r"canary-[0-9a-f]{32}")
PNG = b"\x89PNG\r\n\x1a\n"


def canaries(value: object) -> set[str]:
    """The canaries anywhere in a value."""
    return set(CANARY.findall(repr(value)))


@contextlib.contextmanager
def chance():
    """A source of chance, of which a failure tells the seed."""
    seed = secrets.randbits(32)
    try:
        yield random.Random(seed)
    except BaseException as error:
        error.add_note(f"the seed of the order was {seed}")
        raise


def workflow(order: random.Random) -> Workflow:
    """Nodes that leave the canary of their run wherever a node can leave something, in an order of chance."""
    test = Workflow("canaries", register=False)

    async def turns() -> None:
        """Lets others go first, or not."""
        for _ in range(order.randrange(4)):
            await asyncio.sleep(order.choice([0, 0, 0.001, 0.01]))

    @test.step
    async def plant(context: QAContext) -> str:
        canary: str = context.inputs["canary"]

        async def result() -> None:
            context.test_results["planted"] = canary

        async def output() -> None:
            context.outputs["also"] = [canary]

        async def state() -> None:
            await context.session.set_state({"canary": canary})

        async def screenshot() -> None:
            await context.screenshot("before", PNG + canary.encode())

        async def line() -> None:
            context.log("planted %s", canary)

        ways = [result, output, state, screenshot, line]
        order.shuffle(ways)
        for way in ways:
            await turns()
            await way()
        return canary

    @test.step(after=plant)
    async def look(context: QAContext) -> str:
        await turns()
        assert canaries([context.outputs, context.test_results]) == {context.inputs["canary"]}
        return "mine alone"

    @test.step(after=plant)
    async def sometimes(context: QAContext) -> str:
        await turns()
        assert context.run_number > 1 or not context.inputs["fails"], f"{context.inputs['canary']} fails"
        return "passed"

    return test


async def one(target, results_dir, project, test, canary, order):
    """One client's test, and another client's resumption of it when it failed; the last result."""
    fails, alone = order.random() < 0.3, order.random() < 0.1
    who = {"user_id": f"user-{canary}", "project": project, "results_dir": results_dir}
    async with contextlib.AsyncExitStack() as stack:
        # Clients share their connection unless they are given one.
        own = await stack.enter_async_context(sojourn.Client(target)) if alone else None
        client = QAClient(target=target, client=own, **who)
        result = await client.run_qa_test(test, inputs={"canary": canary, "fails": fails})
    assert result["failed_nodes"] == (["sometimes"] if fails else [])
    if fails:
        another = QAClient(session_uuid=result["session_id"], target=target, results_dir=results_dir)
        result = await another.run_qa_test(test)
    return result


async def held_by(session):
    """Everything a server has of a session: its head, every event, the bytes of its artifacts by name."""
    events = [event async for event in session.events()]
    names = [each.name for event in events for each in event.changes if isinstance(each, ArtifactAttached)]
    return session.info, events, {name: await session.get_artifact(name) for name in names}


async def test_nothing_crosses_from_one_of_a_hundred_runs_to_another(client, tmp_path):
    project = f"many-{secrets.token_hex(6)}"
    with chance() as order:
        test = workflow(order)
        planted = [f"canary-{secrets.token_hex(16)}" for _ in range(CLIENTS)]
        runs = {canary: one(client.target, tmp_path, project, test, canary, order) for canary in planted}
        order.shuffle(planted)
        results = dict(zip(planted, await asyncio.gather(*(runs[canary] for canary in planted)), strict=True))

        # All finished, each in a session of its own, and what each was told is its own.
        assert len({result["session_id"] for result in results.values()}) == CLIENTS
        for canary, result in results.items():
            assert result["success_rate"] == 100.0, result
            assert sorted(result["executed_nodes"]) == ["look", "plant", "sometimes"]
            assert canaries(result) == {canary}

        # What the server has of each is its own: state, results, outputs, screenshots, lines of the log.
        sessions = [session async for session in client.list_sessions(project=project)]
        assert {session.id for session in sessions} == {result["session_id"] for result in results.values()}

        async def check(canary, session_id):
            session = await client.get_session(session_id)
            info, events, photos = await held_by(session)
            assert [canaries(part) for part in (info, events, photos)] == [{canary}] * 3
            lines = [change for event in events for change in event.changes if isinstance(change, LogAppended)]
            assert canaries(lines) == {canary}
            assert info.user_id == f"user-{canary}"
            assert info.status == "completed"
            assert info.state["canary"] == canary
            assert info.results["planted"] == canary
            assert results[canary]["outputs"]["also"] == [canary]
            assert photos["plant-before.png"] == PNG + canary.encode()
            assert set(photos) == {"plant-before.png"}

        await asyncio.gather(*(check(canary, result["session_id"]) for canary, result in results.items()))

        # So are the files of each run.
        directories = sorted(tmp_path.iterdir())
        assert len(directories) >= CLIENTS
        for directory in directories:
            texts = [path.read_bytes() for path in directory.rglob("*") if path.is_file()]
            assert len(canaries(texts)) == 1
