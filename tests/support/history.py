"""What writers were told, held against what the store kept."""

from dataclasses import dataclass, field

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import OutcomeUnknownError, StoreFullError, StoreUnavailableError

from .sessions import Desk
from .waiting import wait_until


@dataclass
class History:
    """The answers to writes with bodies of their own, each of which also adds 1 to the state's `n`."""

    desk: Desk
    sid: str = "s"
    acknowledged: dict[bytes, int] = field(default_factory=dict)
    refused: set[bytes] = field(default_factory=set)
    unknown: set[bytes] = field(default_factory=set)

    async def write(self, body: bytes, *, key: str = "") -> bool:
        """Writes once; whether it was acknowledged."""
        try:
            result = await self.desk.write(ch.StateIncremented("n", 1), sid=self.sid, body=body, idempotency_key=key)
        except (StoreUnavailableError, StoreFullError):
            if body not in self.unknown:
                self.refused.add(body)
            return False
        except OutcomeUnknownError:
            self.refused.discard(body)
            self.unknown.add(body)
            return False
        self.refused.discard(body)
        self.unknown.discard(body)
        self.acknowledged[body] = result.revision
        return True

    async def write_until_done(self, body: bytes) -> None:
        """Writes with an idempotency key until it is acknowledged."""
        key = f"key-{body.decode()}"
        await wait_until(lambda: self.write(body, key=key), timeout=30, description=f"{key} acknowledged")

    async def _answers(self) -> bool:
        try:
            await self.desk.get(self.sid)
        except StoreUnavailableError:
            return False
        return True

    async def check(self) -> None:
        """All that was acknowledged is there, at its revision, once; nothing that was refused is; the rest at most
        once; and the state is what the events say."""
        await wait_until(lambda: self._answers(), description="the store is back")
        events = {}
        after = 0
        while True:
            page = await self.desk.events(self.sid, after=after, count=1000)
            for event in page.events:
                assert event.revision == len(events) + 1
                events[event.revision] = event.body
            after = page.scanned
            if not page.more:
                break
        bodies = list(events.values())[1:]
        assert len(set(bodies)) == len(bodies)
        assert {body: revision for revision, body in events.items() if body in self.acknowledged} == self.acknowledged
        assert not self.refused.intersection(bodies)
        assert set(bodies) <= set(self.acknowledged) | self.unknown
        session = await self.desk.get(self.sid)
        assert session.revision == len(events)
        assert int(session.state.get("n", b"0")) == len(bodies)
