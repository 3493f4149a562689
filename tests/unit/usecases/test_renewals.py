"""Heartbeats of many streams become few calls, and one that fails does not take the others with it."""

import asyncio
from dataclasses import replace

from sojourn_server.domain.errors import StoreUnavailableError
from sojourn_server.domain.requests import Begun, RequestKey
from sojourn_server.domain.session import SessionKey
from sojourn_server.usecases import renewals
from sojourn_server.usecases.background import Background
from sojourn_server.usecases.renewals import Renewals
from sojourn_server.usecases.tracked import Renewed, Tracked
from tests.support.waiting import wait_until
from tests.unit.usecases.test_tracked import ADMITTED, told


class Store:
    """Renews what it is told to; one of a broken node cannot be made without a cluster."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.away: set[str] = set()
        self.lapsed: set[str] = set()

    async def renew(self, requests):
        names = [request.key.request_id for request in requests]
        self.calls.append(names)
        if self.away.intersection(names):
            raise StoreUnavailableError("away", cause="connection")
        return [None if name in self.lapsed else 1 for name in names]


def streams(count):
    session = SessionKey("default", "s")
    return [Tracked(Begun(replace(ADMITTED, key=RequestKey(session, f"r{n}")), False), 0.0) for n in range(count)]


async def renewed(tracked):
    return any(isinstance(message, Renewed) for message in (await told(tracked))[0])


async def test_heartbeats_that_come_together_are_one_call():
    store, lost = Store(), []
    found = streams(50)
    many = Renewals(store, Background(), lost.append)
    for tracked in found * 3:
        many.add(tracked)
    assert store.calls == []
    await wait_until(lambda: store.calls, description="the renewal")
    assert sorted(store.calls[0]) == sorted(tracked.request.key.request_id for tracked in found)
    assert all([await renewed(tracked) for tracked in found])
    assert (len(store.calls), lost) == (1, [])


async def test_streams_whose_lease_is_gone_are_named():
    store, lost = Store(), []
    store.lapsed = {"r1"}
    found = streams(3)
    many = Renewals(store, Background(), lost.append)
    for tracked in found:
        many.add(tracked)
    await wait_until(lambda: lost, description="the loss")
    assert [await renewed(tracked) for tracked in found] == [True, False, True]
    assert lost == [found[1]]


async def test_a_node_that_is_away_does_not_keep_the_answers_of_the_others(monkeypatch):
    monkeypatch.setattr(renewals, "AGAIN_SECONDS", 0.05)
    store, lost = Store(), []
    store.away = {"r2"}
    found = streams(4)
    many = Renewals(store, Background(), lost.append)
    for tracked in found:
        many.add(tracked)
    await wait_until(lambda: len(store.calls) >= 5, description="one call for each")
    assert [await renewed(tracked) for tracked in found] == [True, True, False, True]
    store.away = set()
    await asyncio.sleep(0)
    await wait_until(lambda: renewed(found[2]), description="it is renewed later")
    assert lost == []
