"""A store that loses data again and again, in every way, under writers and watchers: whatever was lost, everybody who
knew of it is told, and the next loss begins from a store that is well."""

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.engines import ValkeyProcess
from tests.support.lossy import Copy
from tests.support.server import ServerUnderTest
from tests.support.survivors import Load, catalogued
from tests.support.waiting import wait_until


@pytest.mark.parametrize(
    "losses", [pytest.param(1, id="short"), pytest.param(40, id="long", marks=pytest.mark.robustness)]
)
@pytest.mark.timeout(600)
async def test_losses_one_after_the_other(chance, losses):
    async with AsyncExitStack() as stack:
        data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sojourn-data-")))
        engine = await stack.enter_async_context(ValkeyProcess(persistent=True))
        server = await stack.enter_async_context(
            ServerUnderTest(redis=engine.url, data_dir=data_dir, project_seconds=0.05, keeper=False)
        )
        copy = Copy(engine)
        stack.callback(copy.discard)
        load = await stack.enter_async_context(Load(server.target, sessions=3))

        def known() -> bool:
            return all(catalogued(data_dir / "catalog.db", sid) > 1 for sid in load.session_ids)

        await wait_until(known, timeout=20, description="the catalog knows all sessions")
        await copy.take()
        for _ in range(losses):
            await load.goes_on(chance.choice((1, 5, 50)))
            match chance.choice(("wipe", "older", "kill", "copy")):
                case "wipe":
                    await engine.call("FLUSHALL")
                case "older":
                    await copy.put_back()
                case "kill":
                    await engine.kill()
                    await engine.start()
                case _:
                    await copy.take()
        await load.goes_on()
        await load.finish()
