"""Checks what was promised about a pool over the logs of all sessions that took slots from it.

A pool's queue is in no log, nor is a slot given to a request that ends before it is admitted. A session's log tells
that a request waits a little before the pool knows it; the token of a slot is the time of its grant. So who holds what
is judged exactly, and who waited with a margin, for those alone that got a slot in the end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from .request_checker import Life

SECOND = 1_000_000
FEW = 2
"""Grants that may be missed, one of a turn that no log tells for example, without being unfair."""
LAPSED = "its lease ran out"
"""Cause of a loss: the request kept its place after its lease had run out, until somebody looked."""


def check_pool(lives: Sequence[Life], pool: str, size: int) -> list[Life]:
    """No slot was held twice, never more than there are, tokens grow. Returns those that had one, in that order."""
    held = sorted((life for life in lives if life.pool == pool and life.slot >= 0), key=lambda life: life.slot_token)
    problems = [f"{life.id} has slot {life.slot} of {size}" for life in held if life.slot >= size]
    problems += [
        f"{one.id} and {two.id} have the token {one.slot_token}"
        for one, two in pairwise(held)
        if one.slot_token == two.slot_token
    ]
    slots = defaultdict(list)
    for life in held:
        slots[life.slot].append(life)
    for slot, holders in slots.items():
        for one, two in pairwise(sorted(holders, key=lambda life: life.admitted_us)):
            if not one.ended_us or one.ended_us > two.slot_token or one.ended_us > two.admitted_us:
                problems.append(f"slot {slot} was given to {two.id} while {one.id} held it")
            if one.slot_token >= two.slot_token:
                problems.append(f"slot {slot}: {two.id} got token {two.slot_token} after {one.slot_token}")
    problems += _too_many(held, size)
    problems += _tokens_out_of_order(held)
    assert not problems, f"{len(problems)} problems with pool {pool}: {problems[:20]}"
    return held


def _too_many(held: Sequence[Life], size: int) -> Iterator[str]:
    edges = [(life.slot_token, 1) for life in held] + [(life.ended_us, -1) for life in held if life.ended_us]
    used = 0
    for at, step in sorted(edges):
        used += step
        if used > size:
            yield f"{used} slots of {size} were held at {at}"


def _tokens_out_of_order(held: Sequence[Life]) -> Iterator[str]:
    """A request that began after another was admitted has a greater token."""
    admitted = sorted(held, key=lambda life: life.admitted_us)
    greatest, place = 0, 0
    for life in sorted(held, key=lambda life: life.arrived_us):
        while place < len(admitted) and admitted[place].admitted_us < life.arrived_us:
            greatest = max(greatest, admitted[place].slot_token)
            place += 1
        if life.slot_token <= greatest:
            yield f"{life.id} got token {life.slot_token} though {greatest} had been given before it began"


def check_priorities(lives: Sequence[Life], pool: str, *, margin: float, disturbed: Sequence[int] = ()) -> None:
    """Nobody got a slot while somebody of a higher priority had waited for `margin` seconds.

    disturbed: times (us) of a worker's death: who arrived around one may have come into the pool's queue late.
    """
    problems = [
        f"{grant.id} (priority {grant.priority}) went before {best.id} ({best.priority})"
        for grant, waiting in _grants(lives, pool, margin, disturbed)
        if waiting and (best := max(waiting, key=lambda life: life.priority)).priority > grant.priority
    ]
    assert not problems, f"{len(problems)} slots of {pool} given out of order: {problems[:20]}"


def check_turns(
    lives: Sequence[Life], pool: str, *, margin: float, unseen: float = 1.0, disturbed: Sequence[int] = ()
) -> int:
    """No user got two slots at a priority while another waited at it all the while and got none. Returns how often
    a user waited so and got its turn.

    unseen: seconds within which a request that was given a slot is admitted, and one that ended gives up its place:
        one that ends without being admitted may have had a turn that no log tells.
    disturbed: times (us) of a worker's death: turns around one are not judged.
    """
    us = int(unseen * 1e6)
    problems = []
    kept = 0
    last: dict[tuple[str, int], int] = {}
    served: dict[str, int] = {}
    vain = defaultdict(list)
    for life in lives:
        if life.pool == pool and not life.admitted_us:
            since = life.queued_us if life.cause == LAPSED else life.ended_us
            vain[life.user_id, life.priority].append((since - us, life.ended_us + us))
    for grant, waiting in _grants(lives, pool, margin, disturbed):
        before = last.get((grant.user_id, grant.priority), 0)
        now = grant.slot_token
        last[grant.user_id, grant.priority] = served[grant.user_id] = grant.slot_token
        for other in waiting:
            waited = before and other.queued_us + int(margin * 1e6) <= before
            if not waited or any(before - us < at < now + us for at in disturbed):
                continue
            if other.user_id == grant.user_id or other.priority != grant.priority:
                continue
            if served.get(other.user_id, 0) > before:
                kept += 1
            elif not any(a < now and before < b for a, b in vain[other.user_id, grant.priority]):
                problems.append(f"{grant.user_id} was served twice ({grant.id}) while {other.id} waited")
    assert not problems, f"{len(problems)} turns of {pool} were taken twice: {problems[:20]}"
    return kept


def check_fairness(lives: Sequence[Life], pool: str, *, tolerance: float = 0.2, least: int = 20) -> Mapping[str, int]:
    """Users got equally many slots, within `tolerance`, while all of them had somebody waiting at the priority served.

    least: how many grants each user must have got then, so that the check says something.
    """
    users = {life.user_id for life in lives if life.pool == pool}
    counts = Counter(dict.fromkeys(users, 0))
    for grant, waiting in _grants(lives, pool, 0.0, ()):
        if {life.user_id for life in (*waiting, grant) if life.priority == grant.priority} == users:
            counts[grant.user_id] += 1
    fewest, most = min(counts.values()), max(counts.values())
    assert fewest >= least, f"too few grants of {pool} to judge: {dict(counts)}"
    assert most <= (1 + tolerance) * fewest + FEW, f"{pool} is not shared fairly: {dict(counts)}"
    return counts


def _grants(
    lives: Sequence[Life], pool: str, margin: float, disturbed: Sequence[int]
) -> Iterator[tuple[Life, list[Life]]]:
    """Every grant in its order, with those that had waited for `margin` seconds and got a slot later."""
    us = int(margin * 1e6)
    granted = sorted((life for life in lives if life.pool == pool and life.slot >= 0), key=lambda life: life.slot_token)
    coming = sorted((life for life in granted if life.queued_us), key=lambda life: life.queued_us)
    waiting: dict[tuple[str, str], Life] = {}
    place = 0
    for grant in granted:
        waiting.pop((grant.session_id, grant.id), None)
        while place < len(coming) and coming[place].queued_us + us < grant.slot_token:
            life = coming[place]
            place += 1
            late = any(life.queued_us - SECOND < at < life.queued_us + us for at in disturbed)
            if life.slot_token > grant.slot_token and not late:
                waiting[life.session_id, life.id] = life
        yield grant, list(waiting.values())
