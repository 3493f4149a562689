"""Whatever callers do, requests behave like the model."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from sojourn_server.domain.errors import SojournError
from sojourn_server.domain.requests import Left, Quotas, Request, RequestOutcome, RequestState, Scope, ScopeKind
from sojourn_server.store.opening import StoreSettings, open_store
from tests.support import admission_model
from tests.support.admission_model import RefusedError
from tests.support.requests import Clerk, note, passed, queue_of, started
from tests.support.sessions import Desk
from tests.support.store_engines import SHARDS, StoreEngine

IDS = "abcdefgh"
ids = st.sampled_from(IDS)
anybody = st.integers(0, 19)
"""Mostly one of the live requests, see `Requests.find`."""
policies = st.sampled_from(["QUEUE", "QUEUE", "REJECT", "INTERRUPT", "REPLACE_QUEUED"])
priorities = st.integers(0, 2)
seldom = st.sampled_from([False] * 4 + [True])
ends = st.sampled_from(["finish", "finish", "finish", "cancel", "force", "detach", "lose", "drop"])
SHORT_MS, LONG_MS = 1, 600_000


class Requests(RuleBasedStateMachine):
    """One session; every step is done by the store and by the model, and then all that can be read is compared."""

    clerk: Clerk
    run: Any
    sessions = count()
    told: set[str]
    """Who reserves now, as the answers of this step say."""

    @initialize(limit=st.sampled_from([0, 1, 1, 2, 2, 3]), cap=st.sampled_from([2, 100, 100]))
    def create(self, limit: int, cap: int) -> None:
        self.sid = f"s{next(self.sessions)}"
        quotas = Quotas(requests_per_session=2, queued_per_session=cap)
        self.clerk.quotas = quotas
        self.model = admission_model.Session(limit or quotas.requests_per_session, cap)
        self.invocation = 0
        self.run(self.clerk.create(self.sid, limit=limit, project="p"))

    @rule(rid=ids, policy=policies, priority=priorities, exclusive=seldom, wide=seldom, short=seldom, resume=seldom)
    def begin(
        self, rid: str, policy: str, priority: int, exclusive: bool, wide: bool, short: bool, resume: bool
    ) -> None:
        wants = {"priority": priority, "exclusive": exclusive, "resume": resume}

        async def call() -> None:
            begun = await self.clerk.begin(
                rid, sid=self.sid, policy=policy, lease_ms=SHORT_MS if short else LONG_MS,
                wide=(ScopeKind.PROJECT,) if wide else (), **wants,
            )  # fmt: skip
            if not begun.resumed and short:
                await passed(begun.request.lease_deadline_us)
            self.told.add(rid)
            for left in begun.replaced:
                self.check_left(left)
            assert begun.request == await self.clerk.get(rid, self.sid)
            assert begun.resumed == (begun.request.attachment > 1)

        self.step(call(), lambda m: m.begin(rid, policy, wide=wide, lapsed=short, **wants))

    @rule(begin_with=st.permutations(IDS), count=st.integers(2, 5), priorities=st.tuples(*[priorities] * 5))
    def begin_many(self, begin_with: list[str], count: int, priorities: tuple[int, ...]) -> None:
        free = [rid for rid in begin_with if rid not in self.live]
        for rid, priority in zip(free[:count], priorities, strict=False):
            self.begin(rid, "QUEUE", priority, exclusive=False, wide=False, short=False, resume=False)

    @rule(rid=ids, priority=priorities, exclusive=seldom, wide=seldom)
    def interrupt(self, rid: str, priority: int, exclusive: bool, wide: bool) -> None:
        self.begin(rid, "INTERRUPT", priority, exclusive, wide, short=False, resume=False)

    @rule(rid=ids, priority=priorities, policy=policies)
    def begin_alone(self, rid: str, priority: int, policy: str) -> None:
        self.begin(rid, policy, priority, exclusive=True, wide=False, short=False, resume=False)

    @rule(rid=ids, priority=priorities)
    def begin_wide(self, rid: str, priority: int) -> None:
        self.begin(rid, "QUEUE", priority, exclusive=False, wide=True, short=False, resume=False)

    @precondition(lambda self: self.live)
    @rule(who=anybody, how=ends, then=ends)
    def leave_both(self, who: int, how: str, then: str) -> None:
        self.leave(who, how)
        self.leave(who + 1, then)

    @precondition(lambda self: self.live)
    @rule(who=anybody, how=ends)
    def leave(self, who: int, how: str) -> None:
        rid = self.find(who)
        match how:
            case "finish":
                self.step(self.finish_twice(rid), lambda m: m.finish(rid, "FAILED"))
            case "cancel" | "force":
                force = how == "force"
                self.step(self.clerk.cancel(rid, sid=self.sid, force=force), lambda m: m.cancel(rid, force=force))
            case "detach":
                attachment = 1 + who % 2
                self.step(self.clerk.detach(rid, attachment, sid=self.sid), lambda m: m.detach(rid, attachment))
            case "lose":
                self.step(self.clerk.lose(rid, sid=self.sid), lambda m: m.lose(rid))
            case "drop":
                call = self.clerk.store.drop(self.clerk.key(rid, self.sid), RequestOutcome.CANCELLED, "")
                self.step(call, lambda m: m.drop(rid))

    @precondition(lambda self: self.model.admitted)
    @rule(who=anybody)
    def finish(self, who: int) -> None:
        rid = self.model.admitted[who % len(self.model.admitted)]
        self.step(self.finish_twice(rid), lambda m: m.finish(rid, "FAILED"))

    @precondition(lambda self: self.model.reserving)
    @rule(which=st.integers(0, 7))
    def admit(self, which: int) -> None:
        reserving = sorted(self.model.reserving)
        self.admit_anybody(reserving[which % len(reserving)])

    def admit_anybody(self, rid: str) -> None:
        self.step(self.clerk.store.admit(self.clerk.key(rid, self.sid), None), lambda m: m.admit(rid))

    @precondition(lambda self: self.live)
    @rule(who=anybody, what=st.sampled_from(["admit", "renew", "start", "start", "write", "write"]))
    def work(self, who: int, what: str) -> None:
        match what:
            case "admit":
                self.admit_anybody(self.find(who))
            case "renew":
                self.renew()
            case "start":
                self.start_an_invocation(self.find(who))
            case "write" if self.clerk.logs[self.sid].tokens:
                self.write_with_a_token(who)

    async def finish_twice(self, rid: str) -> Left:
        left = await self.clerk.finish(rid, "FAILED", sid=self.sid)
        again = await self.clerk.finish(rid, "SUCCEEDED", "again", sid=self.sid)
        assert (again.ended, again.reserving) == (left.ended, ())
        return left

    def renew(self) -> None:
        async def call() -> None:
            live = await self.clerk.live(self.sid)
            deadlines = await self.clerk.store.renew(live)
            lapsed = {one.key.request_id: self.model.find(one.key.request_id).lapsed for one in live}
            # The scopes of those that hold a slot were never taken here; that counts for who is admitted.
            bare = {rid for rid in self.model.admitted if self.model.holders[rid].wide}
            for one, deadline in zip(live, deadlines, strict=True):
                rid = one.key.request_id
                assert (deadline is None) == (lapsed[rid] or rid in bare)

        self.step(call(), lambda m: [])

    def start_an_invocation(self, rid: str) -> None:
        self.invocation += 1
        name = f"i{self.invocation}"
        self.step(self.clerk.write(started(name, rid), sid=self.sid), lambda m: m.start(name, rid))

    def write_with_a_token(self, which: int) -> None:
        tokens = self.clerk.logs[self.sid].tokens
        token = sorted(tokens)[-1 - which % len(tokens)]
        rid = tokens[token]
        good = rid in self.model.admitted and max(t for t, whose in tokens.items() if whose == rid) == token

        def expected(model: admission_model.Session) -> list[str]:
            if model.ended or not good:
                raise RefusedError("SESSION_ENDED" if model.ended else "FENCING_TOKEN_REJECTED")
            return ["log_appended"]

        self.step(self.clerk.write(note(), sid=self.sid, fencing_token=token), expected)

    @precondition(lambda self: len(self.model.waiting) > 3)
    @rule(now=seldom)
    def end(self, now: bool) -> None:
        if now:
            self.step(self.clerk.end(sid=self.sid), lambda m: m.end())

    def teardown(self) -> None:
        if hasattr(self, "sid"):
            self.run(self.clerk.desk.delete(self.sid))

    @property
    def live(self) -> list[str]:
        return sorted(self.model.holders.keys() | self.model.waiting.keys())

    def find(self, who: int) -> str:
        """One of the live requests, or now and then any id."""
        return self.live[who % len(self.live)] if self.live and who < 16 else IDS[who % len(IDS)]

    def step(self, call: Coroutine[Any, Any, Any], modelled: Any) -> None:
        """Does a step in both worlds; the same refusal or the same event must come of it."""
        self.told, reserving = set(), self.model.reserving
        try:
            expected, refusal = modelled(self.model), ""
        except RefusedError as error:
            expected, refusal = [], str(error)
        left, refused = self.run(answer(call))
        assert refused == refusal
        if isinstance(left, tuple) and not isinstance(left, Left):  # what `cancel` returns
            left = left[0]
        if isinstance(left, Left):
            self.check_left(left)
        assert self.model.reserving - reserving <= self.told
        told, session, live = self.run(self.clerk.check(self.sid))
        news = [[word.partition(":")[0] for word in event] for event in told]
        # One step may end several requests; the order among those is the store's own affair.
        assert [sorted(event) for event in news] == ([sorted(expected)] if expected else [])
        admitted = [word for event in news for word in event if word.startswith("admitted")]
        assert admitted == [word for word in expected if word.startswith("admitted")]
        self.compare(session.counters, live)

    def check_left(self, left: Left) -> None:
        """Who made room is told whose slots to give back, and who needs wider slots now."""
        assert set(left.reserving) <= self.model.reserving
        self.told.update(left.reserving)
        scope = Scope(ScopeKind.PROJECT, self.clerk.desk.tenant, "p")
        assert left.scopes in ((), (scope,))

    def compare(self, counters: dict[str, int], requests: list[Request]) -> None:
        model = self.model
        live = {one.key.request_id: one for one in requests}
        assert live.keys() == model.holders.keys() | model.waiting.keys()
        assert queue_of(requests) == model.queue
        assert counters.get("open_invocations", 0) == len(model.invocations)
        by_admission = sorted((one.token, rid) for rid, one in live.items() if one.token)
        assert [rid for _, rid in by_admission] == model.admitted
        arrivals = [model.find(rid).arrival for rid in live]
        assert arrivals == sorted(arrivals)
        for rid, one in live.items():
            expected = model.find(rid)
            assert (one.state is RequestState.RESERVING) == (rid in model.reserving)
            assert (one.attachment, one.policy.name) == (expected.attachment, expected.policy)
            assert (one.priority, one.exclusive) == (expected.priority, expected.exclusive)
            assert (one.cancel_reason is not None) == expected.asked
            assert bool(one.scopes) == expected.wide
            assert one.position == (model.queue.index(rid) + 1 if rid in model.waiting else 0)
            assert one.lease_ms == (SHORT_MS if expected.lapsed else LONG_MS)


async def answer(call: Coroutine[Any, Any, Any]) -> tuple[Any, str]:
    """What a call returned, or the reason with which it was refused."""
    try:
        return await call, ""
    except SojournError as error:
        return None, error.reason


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def play(engine: StoreEngine, runner: asyncio.Runner, profile: settings) -> None:
    """Runs the machine on an engine."""
    stack = AsyncExitStack()

    async def opened() -> Clerk:
        quotas = Quotas(requests_per_session=2)
        return Clerk(Desk(await open_store(StoreSettings(engine.url, shards=SHARDS, quotas=quotas), stack)))

    clerk = runner.run(opened())
    machine = type("Machine", (Requests,), {"clerk": clerk, "run": staticmethod(runner.run)})
    try:
        run_state_machine_as_test(machine, settings=profile)
        assert runner.run(clerk.leases()) == []
        assert runner.run(engine.leaked_keys()) == []
    finally:
        runner.run(stack.aclose())


PROFILE = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True, database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
LONG = settings(PROFILE, max_examples=500, stateful_step_count=60, derandomize=False, print_blob=True)


@pytest.mark.parametrize("engine", ["embedded", "cluster"], indirect=True)
def test_requests_behave_like_the_model(engine, runner):
    play(engine, runner, PROFILE)


@pytest.mark.robustness
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("engine", ["embedded", "cluster"], indirect=True)
def test_requests_behave_like_the_model_for_long(engine, runner):
    play(engine, runner, LONG)
