"""The `sojourn` program and requests in flight: listing, cancelling, pools and the live screen."""

import asyncio
import json
import signal
import socket
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

import sojourn as sdk
from tests.support.command import sojourn
from tests.support.server import ServerUnderTest
from tests.support.terminal import on_a_terminal
from tests.support.waiting import wait_until


@pytest.fixture
def target(sojourn_server):
    return sojourn_server


@pytest.fixture
def prefix():
    """Makes what a test creates its own on a server that tests share."""
    return f"t{uuid4().hex[:10]}"


@pytest.fixture
async def client(target):
    async with sdk.Client(target) as client:
        yield client


@pytest.fixture
async def pool(client, prefix):
    """A pool of two slots."""
    pool = client.pool(f"{prefix}-pool")
    await pool.resize(2)
    yield pool
    await pool.resize(0)


@asynccontextmanager
async def queued(session, name, **how):
    """A request that waits while the block runs; the task that waits for it."""

    async def wait():
        async with session.track(name, request_id=f"{session.id}.{name}", **how):
            pass

    task = asyncio.create_task(wait())
    try:
        await wait_until(lambda: _live(session, f"{session.id}.{name}"), description=f"{name} is queued")
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _live(session, request_id):
    return any([request.id == request_id async for request in session.requests()])


@pytest.fixture
async def work(client, prefix, pool):
    """A session with room for one request: `plan` holds it and a slot of the pool, `next` waits. Yields `plan`."""
    session = await client.create_session(
        session_id=prefix, user_id=f"{prefix}-ann", project=prefix, max_concurrent_requests=1
    )
    plan = session.track(
        "plan", request_id=f"{prefix}.plan", pool=pool.name, priority=2, on_cancel="flag", on_lost="flag"
    )
    # `plan` may be taken away in the test: then its end is refused, which is no failure of the fixture.
    try:
        async with plan:
            await plan.progress(0.4, "reading")
            async with queued(session, "next", priority=7):
                yield plan
    except sdk.LeaseLostError:
        pass


def rows(done):
    """The rows of a table, each with its blanks made single."""
    return [" ".join(line.split()) for line in done.lines]


class TestRequests:
    async def test_a_table(self, target, prefix, pool, work):
        await wait_until(lambda: _progress(work), description="the progress is known")
        done = await sojourn("requests", prefix, target=target)
        assert done.code == 0, done.stderr
        plan, waiting = (
            next(row for row in rows(done) if row.startswith(f"{prefix} {prefix}.{name} {name}"))
            for name in ("plan", "next")
        )
        assert f"admitted 2 {prefix}-ann {pool.name} 0 40% reading" in plan
        assert f"queued: session #1 7 {prefix}-ann" in waiting
        assert "cancel" not in done.stdout

    async def test_json_lines(self, target, prefix, work):
        done = await sojourn("requests", prefix, "-o", "json", target=target)
        plan, waiting = (sdk.Request.model_validate_json(line) for line in done.lines)
        assert (plan.id, plan.state, plan.fencing_token, plan.pool_slot.slot) == (
            work.id, "admitted", work.fencing_token, 0,
        )  # fmt: skip
        assert (waiting.name, waiting.state, waiting.position) == ("next", "queued", 1)

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            (["--user", "{}-ann"], ["plan", "next"]),
            (["--user", "{}-eve"], []),
            (["--project", "{}"], ["plan", "next"]),
            (["--project", "{}", "--state", "queued"], ["next"]),
            (["{}", "--state", "admitted"], ["plan"]),
            (["--pool", "{}-pool"], ["plan"]),
            (["{}", "--limit", "1"], ["plan"]),
        ],
    )
    async def test_filters(self, target, prefix, work, filters, expected):
        arguments = [each.format(prefix) for each in filters]
        done = await sojourn("requests", *arguments, "-o", "json", target=target)
        assert [json.loads(line)["name"] for line in done.lines] == expected

    async def test_nothing_found(self, target, client, prefix):
        await client.create_session(session_id=prefix)
        done = await sojourn("requests", prefix, target=target)
        assert (done.code, done.stdout) == (0, "")
        assert "no requests" in done.stderr

    async def test_an_unknown_session_exits_with_3(self, target, prefix):
        done = await sojourn("requests", prefix, target=target)
        assert done.code == 3
        assert prefix in done.stderr
        assert "Traceback" not in done.stderr


async def _progress(request):
    return any([each.progress async for each in request.session.requests() if each.id == request.id])


class TestCancel:
    async def test_one_that_is_admitted_is_told_why(self, target, prefix, work):
        done = await sojourn("cancel", prefix, work.id, "--reason", "takes too long", target=target)
        assert (done.code, done.stdout) == (0, f"{work.id} was asked to stop; it is admitted until it does\n")
        async with asyncio.timeout(10):
            assert await work.cancelled == "takes too long"
        listed = await sojourn("requests", prefix, target=target)
        assert "asked: takes too long" in listed.stdout

    async def test_one_that_is_queued_ends_at_once(self, target, client, prefix, work):
        async with queued(work.session, "third") as third:
            done = await sojourn("cancel", prefix, f"{prefix}.third", target=target)
            assert (done.code, done.stdout) == (0, f"{prefix}.third has ended\n")
            with pytest.raises(sdk.RequestCancelledError):
                await asyncio.wait_for(third, 10)
        assert not work.cancelled

    async def test_force_takes_the_lease_away(self, target, prefix, work):
        done = await sojourn("cancel", prefix, work.id, "--force", "--reason", "stuck", target=target)
        assert (done.code, done.stdout) == (0, f"{work.id} has ended\n")
        async with asyncio.timeout(10):
            await work.lost
        with pytest.raises(sdk.FencingTokenRejectedError):
            await work.session.set_state({"late": 1})

    async def test_an_unknown_session_exits_with_3(self, target, prefix):
        done = await sojourn("cancel", prefix, "r", target=target)
        assert done.code == 3
        assert "sojourn list" in done.stderr

    async def test_an_unknown_request_exits_with_3_and_the_next_step(self, target, client, prefix):
        await client.create_session(session_id=prefix)
        done = await sojourn("cancel", prefix, "plan-7", target=target)
        assert done.code == 3
        assert "plan-7" in done.stderr
        assert "sojourn requests" in done.stderr
        assert "Traceback" not in done.stderr

    async def test_one_that_is_over_exits_with_1_and_its_outcome(self, target, client, prefix):
        session = await client.create_session(session_id=prefix)
        async with session.track("plan", request_id=f"{prefix}.plan"):
            pass
        done = await sojourn("cancel", prefix, f"{prefix}.plan", target=target)
        assert done.code == 1
        assert "ended" in done.stderr
        assert "Traceback" not in done.stderr


class TestPools:
    async def test_made_resized_shown_and_removed(self, target, prefix):
        async def pools(*arguments):
            done = await sojourn("pools", *arguments, "-o", "json", target=target)
            assert done.code == 0, done.stderr
            return {pool["name"]: pool["size"] for pool in map(json.loads, done.lines)}

        assert await pools(prefix, "--size", "3") == {prefix: 3}
        assert await pools(prefix, "--size", "5") == {prefix: 5}
        assert await pools(prefix) == {prefix: 5}
        assert (await pools())[prefix] == 5
        assert await pools(prefix, "--size", "0") == {prefix: 0}
        assert prefix not in await pools()

    async def test_a_table_of_use(self, target, client, prefix, pool, work):
        session = await client.create_session()
        async with pool.slot("other"), queued(session, "waits", pool=pool.name):
            row = await wait_until(lambda: _row(target, pool, " 1 "), description="one waits")
        assert row.startswith(f"{pool.name} 2 2 0 1 ━")

    async def test_an_unknown_pool_exits_with_3_and_the_next_step(self, target, prefix):
        done = await sojourn("pools", prefix, target=target)
        assert done.code == 3
        assert prefix in done.stderr
        assert "--size" in done.stderr

    async def test_a_name_that_cannot_be_is_explained(self, target):
        done = await sojourn("pools", "no spaces", "--size", "1", target=target)
        assert done.code == 1
        assert "name" in done.stderr
        assert "Traceback" not in done.stderr


async def _row(target, pool, holding):
    """The pool's row of the table, if it holds the text."""
    done = await sojourn("pools", pool.name, target=target)
    return next((row for row in rows(done) if row.startswith(pool.name) and holding in row), "")


class TestTopOnce:
    async def test_a_frame(self, target, prefix, pool, work):
        await wait_until(lambda: _progress(work), description="the progress is known")
        done = await sojourn("top", "--once", "--project", prefix, target=target)
        assert done.code == 0, done.stderr
        shown = rows(done)
        assert shown[0].startswith(f"sojourn top {target}")
        assert shown[1].startswith("sessions 1 active requests 1 admitted, 1 queued slots ")
        assert f"{pool.name} 1/2" in shown[2]
        assert any(row.startswith(f"{prefix} {prefix}-ann 1 1 ") for row in shown)
        plan, waiting = (next(row for row in shown if row.startswith(f"{name} {prefix} ")) for name in ("plan", "next"))
        assert f"admitted 2 {pool.name} 0" in plan
        assert plan.endswith("40% reading")
        assert "queued: session #1 7" in waiting
        assert "\x1b" not in done.stdout

    async def test_sessions_of_others_are_left_out(self, target, client, prefix):
        await client.create_session(session_id=f"{prefix}-1", project=prefix, user_id="ann")
        await client.create_session(session_id=f"{prefix}-2", project=prefix, user_id="eve")
        done = await sojourn("top", "--once", "--project", prefix, "--user", "eve", target=target)
        assert f"{prefix}-2" in done.stdout
        assert f"{prefix}-1" not in done.stdout


class TestTop:
    async def test_what_happens_is_shown_as_it_happens(self, target, client, prefix):
        session = await client.create_session(session_id=prefix, project=prefix, max_concurrent_requests=1)
        # Lists are far apart: what is shown comes from events.
        async with on_a_terminal("top", "--project", prefix, "--interval", "60", target=target) as terminal:
            await terminal.until_shown(prefix)
            async with session.track("plan") as request:
                await terminal.until_shown("plan", prefix, "admitted")
                await request.progress(0.25, "reading")
                await terminal.until_shown("plan", "25%", "reading")
                async with queued(session, "next"):
                    await terminal.until_shown("next", prefix, "queued")
                    await client.cancel_request(prefix, f"{prefix}.next")
                    await terminal.until_shown("requests", "1 admitted, 0 queued")
            await terminal.until_shown("requests", "0 admitted, 0 queued")
            await client.create_session(session_id=f"{prefix}-late", project=prefix)
            await terminal.until_shown("sessions", "2 active")

    async def test_what_no_event_tells_is_asked_for(self, target, client, prefix):
        session = await client.create_session(session_id=prefix, project=prefix, max_concurrent_requests=1)
        async with on_a_terminal("top", "--project", prefix, "--interval", "0.2", target=target) as terminal:
            await terminal.until_shown(prefix)
            pool = client.pool(f"{prefix}-pool")
            await pool.resize(3)
            await terminal.until_shown("pools", f"{pool.name} 0/3")
            await pool.resize(0)
            async with session.track("plan"), queued(session, "next"):
                await terminal.until_shown("next", prefix, "queued: session #1")

    async def test_q_ends_it_and_gives_the_terminal_back(self, target, client, prefix):
        await client.create_session(session_id=prefix, project=prefix)
        async with on_a_terminal("top", "--project", prefix, target=target) as terminal:
            before = terminal.modes()
            await terminal.until_shown(prefix)
            assert terminal.modes() != before  # keys are read one by one
            terminal.press("xq")
            assert await terminal.end() == 0
            assert terminal.modes() == before
            await wait_until(lambda: b"\x1b[?1049l" in terminal.raw, description="the screen is back")
            assert b"\x1b[?25h" in terminal.raw  # and so is the cursor
            assert "Traceback" not in terminal.text()

    async def test_ctrl_c_ends_it_and_gives_the_terminal_back(self, target, client, prefix):
        await client.create_session(session_id=prefix, project=prefix)
        async with on_a_terminal("top", "--project", prefix, target=target) as terminal:
            before = terminal.modes()
            await terminal.until_shown(prefix)
            assert await terminal.end(signal.SIGINT) == 130
            assert terminal.modes() == before
            await wait_until(lambda: b"\x1b[?1049l" in terminal.raw, description="the screen is back")
            assert "Traceback" not in terminal.text()

    async def test_once_on_a_terminal_is_one_frame_in_colour(self, target, client, prefix):
        await client.create_session(session_id=prefix, project=prefix)
        async with on_a_terminal("top", "--once", "--project", prefix, target=target) as terminal:
            assert await terminal.end() == 0
            await wait_until(lambda: prefix in terminal.text(), description="the frame")
        assert b"\x1b[1m" in terminal.raw
        assert b"\x1b[?1049h" not in terminal.raw

    async def test_without_a_server_it_says_so_and_leaves_the_screen_alone(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            nobody = f"127.0.0.1:{taken.getsockname()[1]}"
            async with on_a_terminal("top", target=nobody) as terminal:
                assert await terminal.end() == 4
                await wait_until(lambda: "sojourn serve" in terminal.text(), description="the next step")
        assert b"\x1b[?1049h" not in terminal.raw

    @pytest.mark.parametrize("durable", [True, False], ids=["durable", "ephemeral"])
    async def test_it_outlives_a_restart_of_the_server(self, tmp_path, durable):
        async with (
            ServerUnderTest(**({"data_dir": tmp_path / "data"} if durable else {})) as server,
            on_a_terminal("top", target=server.target) as terminal,
        ):
            async with sdk.Client(server.target) as client:
                await client.create_session(session_id="before")
                await terminal.until_shown("before", "ago")
            await server.kill()
            await terminal.until_shown("sojourn top", "reconnecting")
            await terminal.until_shown("before", "ago")  # what was known is kept
            await server.start()
            async with sdk.Client(server.target) as client:
                session = await client.create_session(session_id="after")
                async with session.track("plan"):
                    await terminal.until_shown("plan", "after", "admitted")
            await terminal.until_shown("sessions", f"{2 if durable else 1} active")
            await wait_until(lambda: "reconnecting" not in _title(terminal), description="it is connected again")
            terminal.press("q")
            assert await terminal.end() == 0


def _title(terminal):
    """The first line of the last frame that has one."""
    frames = terminal.text().split("sojourn top")
    return next(frame.split("\n")[0] for frame in reversed(frames) if "\n" in frame)
