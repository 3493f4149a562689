"""A pool does what a small model of it says, whatever is done to it in whatever order."""

import asyncio
import contextlib
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from redis.asyncio import Redis
from redis.exceptions import MovedError

from sojourn_server.domain.errors import LimitExceededError, NotFoundError
from sojourn_server.domain.requests import Pool, PoolSlot, ScopeKind
from sojourn_server.store.opening import StoreSettings, open_store
from tests.support.scopes import Counter
from tests.support.store_engines import SHARDS

REQUESTS = st.sampled_from([f"r{n}" for n in range(9)])
MAX_QUEUED = 5
Line = tuple[int, str]


class Model:
    """A pool with its queue: by priority, then users in turn, then by arrival."""

    def __init__(self) -> None:
        self.size = 0
        self.held: dict[str, int] = {}
        self.lines: dict[Line, list[str]] = {}
        """(priority, user): who waits, by arrival; the order of the lines is that of their turns."""
        self.lapsed: set[str] = set()

    @property
    def queue(self) -> list[str]:
        """Who waits, in the order of being served if nobody else comes."""
        order: list[str] = []
        for priority in sorted({priority for priority, _ in self.lines}, reverse=True):
            lines = [list(waiting) for line, waiting in self.lines.items() if line[0] == priority]
            while lines:
                order += [waiting.pop(0) for waiting in lines]
                lines = [waiting for waiting in lines if waiting]
        return order

    def grant(self) -> list[str]:
        granted = []
        while self.lines and len(self.held) < self.size:
            line = max(self.lines, key=lambda line: line[0])  # the first of several
            request = self.lines[line][0]
            self.leave(request)
            if request in self.lapsed:
                self.lapsed.remove(request)
                continue
            granted.append(request)
            self.hold(request)
            if line in self.lines:
                self.lines[line] = self.lines.pop(line)
        return granted

    def hold(self, request: str) -> None:
        self.held[request] = min(set(range(len(self.held) + 1)) - set(self.held.values()))

    def leave(self, request: str) -> None:
        self.held.pop(request, None)
        for line, waiting in list(self.lines.items()):
            if request in waiting:
                waiting.remove(request)
                if not waiting:
                    del self.lines[line]

    def take(self, request: str, line: Line, *, wait: bool) -> int | str:
        """`slot <n>`, a position, `missing`, `full` or `crowded`."""
        if request in self.held and request not in self.lapsed:
            return f"slot {self.held[request]}"
        if not self.size:
            return "missing"
        if request in self.lapsed:
            self.lapsed.remove(request)
            self.leave(request)
        self.grant()
        if request not in self.held and request not in self.queue:
            if len(self.held) < self.size:
                self.hold(request)
            elif not wait:
                return "full"
            elif len(self.queue) >= MAX_QUEUED:
                return "crowded"
            else:
                self.lines.setdefault(line, []).append(request)
        return f"slot {self.held[request]}" if request in self.held else self.queue.index(request) + 1

    def release(self, request: str) -> list[str]:
        self.leave(request)
        self.lapsed.discard(request)
        return self.grant()

    def resize(self, size: int) -> list[str]:
        self.size = size
        if not size:
            self.lapsed -= set(self.queue)
            self.lines.clear()
        return self.grant()


class Machine(RuleBasedStateMachine):
    """Does the same to a pool in the store and to the model."""

    def __init__(self, runner: asyncio.Runner, counter: Counter) -> None:
        super().__init__()
        self.run = runner.run
        self.real = Counter(counter.store, counter.engine, ScopeKind.POOL)
        self.model = Model()
        self.tokens: dict[str, int] = {}

    @rule(
        request=REQUESTS, priority=st.integers(0, 2), user=st.sampled_from("uvw"), wait=st.sampled_from([True, False])
    )  # fmt: skip
    def take(self, request, priority, user, wait):
        expected = self.model.take(request, (priority, user), wait=wait)
        assert self.run(self._take(request, priority, user, wait)) == expected

    @rule(request=REQUESTS)
    def release(self, request):
        assert self.run(self.real.release(request)) == self.model.release(request)

    @rule(request=REQUESTS)
    def reclaim(self, request):
        expected = self.model.release(request) if request in self.model.lapsed else []
        assert self.run(self.real.reclaim(request)) == expected

    @rule(request=REQUESTS)
    def lapse(self, request):
        if request in {*self.model.held, *self.model.queue} - self.model.lapsed:
            self.model.lapsed.add(request)
            self.run(self.real.lapse(request))

    @rule(size=st.sampled_from([0, 1, 1, 2, 2, 3, 4]))
    def resize(self, size):
        assert self.run(self.real.resize(size)) == self.model.resize(size)

    @invariant()
    def the_pool_is_as_the_model_says(self):
        pools = self.run(self.real.store.scopes.pools(self.real.tenant))
        here = Pool("counter", self.model.size, len(self.model.held), len(self.model.queue))
        assert pools == ([here] if self.model.size else [])

    @invariant()
    def leases_are_those_of_holders_and_of_the_waiting(self):
        leases = self.run(self.real.engine.at_owner("ZRANGE", self.real.keys.shard.lease, 0, -1))
        ours = {lease for lease in leases if f"|{self.real.scope.path}|" in lease}
        assert ours == {self.real.lease(request) for request in [*self.model.held, *self.model.queue]}

    def teardown(self):
        self.run(self.real.clear())

    async def _take(self, request: str, priority: int, user: str, wait: bool) -> int | str:
        try:
            answer = await self.real.take(request, user=user, priority=priority, wait=wait, max_queued=MAX_QUEUED)
        except NotFoundError:
            return "missing"
        except LimitExceededError as error:
            return "full" if error.metadata["limit_name"] == "pool" else "crowded"
        if not isinstance(answer, PoolSlot):
            return answer
        if self.tokens.get(request) != answer.token:
            assert answer.token not in self.tokens.values()
            self.tokens[request] = answer.token
        return f"slot {answer.slot}"


class Near:
    """An engine asked over connections that stay open: many short questions."""

    def __init__(self, clients: list[Redis]) -> None:
        self._clients = clients

    async def at_owner(self, *command: Any) -> Any:
        for client in self._clients:
            with contextlib.suppress(MovedError):
                return await client.execute_command(*command)
        raise AssertionError(f"nobody serves {command}")


def test_a_pool_does_what_its_model_says(engine):
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        store = runner.run(open_store(StoreSettings(engine.url, shards=SHARDS), stack))
        near = Near(runner.run(stack.enter_async_context(engine.clients())))
        try:
            run_state_machine_as_test(
                lambda: Machine(runner, Counter(store, near)),
                settings=settings(
                    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
                ),
            )
        finally:
            runner.run(stack.aclose())
