"""The checkers themselves, on made-up logs: they pass what is right and name what is wrong."""

import pytest

from sojourn.v1 import event_pb2

from .made_up import Change, MadeUpLog, closed, custom, finished, lost, queued, started
from .pool_checker import check_fairness, check_pool, check_priorities, check_turns
from .request_checker import FENCED, INTERRUPTING, Life, check_requests

MS = 1000
REASON = Change(request_cancel_requested=event_pb2.RequestCancelRequested(request_id="a", reason="r"))


def wrong(log, what, **rest):
    with pytest.raises(AssertionError) as found:
        check_requests(log.events, **rest)
    assert what in str(found.value)


def test_a_log_as_it_should_be():
    log = MadeUpLog(limit=2)
    log.add(log.admitted("a")).add(log.admitted("b"))
    log.add(queued("low", 1)).add(queued("high", 5)).add(queued("late", 5))
    log.add(started("i", "a")).add(custom(FENCED + "a"))
    log.add(closed("i"), finished("a"), log.admitted("high", priority=5))
    log.add(lost("b", 2), log.admitted("late", priority=5))
    log.add(finished("low", "CANCELLED")).add(finished("high")).add(finished("late", "FAILED"))
    lives = {life.id: life for life in check_requests(log.events)}
    assert {name: life.outcome for name, life in lives.items()} == {
        "a": "SUCCEEDED", "b": "LOST", "low": "CANCELLED", "high": "SUCCEEDED", "late": "FAILED",
    }  # fmt: skip
    assert lives["high"].token == 3
    assert lives["high"].admitted_us > lives["high"].queued_us > lives["b"].arrived_us


def test_those_who_interrupt_go_first():
    log = MadeUpLog(limit=1)
    log.add(log.admitted("a")).add(queued("high", 9))
    log.add(queued("now", 0, interrupts=True), REASON)
    log.add(finished("a", "CANCELLED"), log.admitted("now", name=INTERRUPTING))
    log.add(finished("now"), log.admitted("high", priority=9)).add(finished("high"))
    check_requests(log.events)


def test_a_request_that_waits_for_a_pool_holds_its_slot_of_the_session():
    log = MadeUpLog(limit=2)
    log.add(queued("a", 9, pool="pool")).add(queued("b", 5, pool="pool")).add(queued("c", 9, pool="pool"))
    log.add(log.admitted("b", priority=5, slot=0))  # a and b hold the session's slots, and the pool gave b its own
    wrong(log, "c has no end")
    log.add(finished("b")).add(log.admitted("a", priority=9, slot=0)).add(finished("a"))
    log.add(log.admitted("c", priority=9, slot=0)).add(finished("c"))
    check_requests(log.events)


def test_no_more_than_the_limit_hold_slots_counting_those_that_wait_for_a_pool():
    log = MadeUpLog(limit=1)
    log.add(queued("a", 9, pool="pool")).add(queued("b", 5, pool="pool")).add(log.admitted("b", priority=5, slot=0))
    wrong(log, "2 requests hold a slot where 1 may", over=False)


def test_over_the_limit():
    log = MadeUpLog(limit=1)
    wrong(log.add(log.admitted("a")).add(log.admitted("b")), "2 requests hold a slot", over=False)


def test_not_alone():
    log = MadeUpLog(limit=9)
    wrong(log.add(log.admitted("a")).add(log.admitted("b", exclusive=True)), "['b'] wanted to be alone", over=False)


def test_a_token_that_does_not_grow():
    log = MadeUpLog(limit=9)
    wrong(log.add(log.admitted("a", 7)).add(log.admitted("b", 7)), "b got token 7 after 7", over=False)


@pytest.mark.parametrize("later", [{"priority": 1}, {"priority": 3}, {"interrupts": True}])
def test_out_of_turn(later):
    log = MadeUpLog(limit=1)
    log.add(log.admitted("a")).add(queued("early", 1 if later.get("priority") == 1 else 0)).add(queued("late", **later))
    first, second = ("late", "early") if later.get("priority") == 1 else ("early", "late")
    admitted = log.admitted(first, priority=later.get("priority", 0) if first == "late" else 0)
    wrong(log.add(finished("a"), admitted), f"was admitted before {second}", over=False)


def test_admitted_at_once_past_the_queue():
    log = MadeUpLog(limit=2)
    log.add(log.admitted("a")).add(queued("alone", 5, exclusive=True)).add(log.admitted("b", priority=5))
    wrong(log, "b (True, -5, 4, 0) was admitted before alone", over=False)


def test_room_that_nobody_is_given():
    log = MadeUpLog(limit=2)
    wrong(log.add(log.admitted("a")).add(queued("b")), "b waits, though there is room", over=False)
    alone = MadeUpLog(limit=1)
    wrong(alone.add(queued("b", exclusive=True)), "b waits, though there is room", over=False)


def test_two_ends_and_something_after_the_end():
    log = MadeUpLog()
    log.add(log.admitted("a")).add(finished("a")).add(lost("a", 1))
    wrong(log, "a ended as LOST after SUCCEEDED")
    again = MadeUpLog()
    wrong(again.add(again.admitted("a")).add(finished("a")).add(again.admitted("a")), "a began again after its end")
    wrong(MadeUpLog().add(finished("a")), "a ended as SUCCEEDED without a beginning")
    progress = Change(request_progressed=event_pb2.RequestProgressed(request_id="a"))
    wrong(MadeUpLog().add(progress), "a progressed without being admitted")
    wrong(MadeUpLog().add(REASON), "a was asked to stop without being admitted")


def test_no_end():
    log = MadeUpLog()
    wrong(log.add(log.admitted("a")).add(queued("b")), "a has no end")
    check_requests(log.events, over=False)


def test_ends_that_cannot_be():
    log = MadeUpLog(limit=1)
    log.add(log.admitted("a")).add(queued("b")).add(finished("b", "SUCCEEDED"))
    wrong(log, "b ended as SUCCEEDED without being admitted", over=False)
    other = MadeUpLog()
    wrong(other.add(other.admitted("a", 5)).add(lost("a", 4)), "a had token 5 and lost 4")


def test_an_invocation_without_its_finish():
    log = MadeUpLog()
    log.add(log.admitted("a")).add(started("i", "a")).add(finished("a")).add(closed("i"))
    wrong(log, "revision 4: invocation i is open, though a has ended")
    other = MadeUpLog()
    wrong(other.add(started("i", "")), "invocation i under '' has no end")


def test_a_late_write_and_a_gap():
    log = MadeUpLog()
    wrong(log.add(log.admitted("a")).add(finished("a")).add(custom(FENCED + "a")), "a wrote with its token")
    wrong(MadeUpLog().add(custom("x"), revision=3), "is followed by revision 3")


def life(name, user="u", *, priority=0, queued=0, granted=0, ended=0, slot=0):
    """A life in the pool; times in ms."""
    return Life(
        f"s-{user}", user, name, 1, (queued or granted) * MS, priority=priority, pool="pool", queued_us=queued * MS,
        admitted_us=granted * MS + 1 if granted else 0, token=granted, slot=slot if granted else -1,
        slot_token=granted * MS, ended_us=ended * MS,
    )  # fmt: skip


def test_a_pool_as_it_should_be():
    lives = [life("a", granted=1, ended=5), life("b", granted=2, ended=4, slot=1), life("c", granted=5, ended=9)]
    assert [found.id for found in check_pool([*lives, life("other", queued=1, ended=4)], "pool", 2)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("lives", "what"),
    [
        ([life("a", granted=1, ended=5), life("b", granted=4, ended=9)], "slot 0 was given to b while a held it"),
        ([life("a", granted=1), life("b", granted=4, ended=9)], "slot 0 was given to b while a held it"),
        ([life("a", granted=1, ended=5, slot=2)], "a has slot 2 of 2"),
        ([life(c, granted=1 + n, ended=9, slot=n) for n, c in enumerate("abc")], "3 slots of 2 were held at 3000"),
        ([life("a", granted=1, ended=5), life("b", granted=1, ended=5, slot=1)], "have the token 1000"),
    ],
)
def test_a_pool_that_gives_too_much(lives, what):
    with pytest.raises(AssertionError, match=what):
        check_pool(lives, "pool", 2)


def test_tokens_of_a_pool_grow():
    late = life("b", granted=9, ended=12, slot=1)
    late.slot_token = 1
    with pytest.raises(AssertionError, match="b got token 1 though 1000 had been given before it began"):
        check_pool([life("a", granted=1, ended=5), late], "pool", 2)


def test_priorities_of_a_pool():
    high, low = life("high", priority=9, queued=100, granted=900), life("low", queued=200, granted=800)
    check_priorities([high, low], "pool", margin=0.75)  # it may have come into the pool's queue late
    check_priorities([high, low], "pool", margin=0.5, disturbed=[150 * MS])
    with pytest.raises(AssertionError, match=r"low \(priority 0\) went before high \(9\)"):
        check_priorities([high, low], "pool", margin=0.5)


def test_turns_of_a_pool():
    waits = life("w", "bob", queued=1, granted=500)
    one, two = life("a", "ann", queued=1, granted=200), life("b", "ann", queued=2, granted=300)
    check_turns([one, waits], "pool", margin=0.1)
    assert check_turns([one, two, waits, life("c", "bob", granted=250)], "pool", margin=0.1) == 1
    check_turns([one, two, waits, life("died", "bob", queued=1, ended=310)], "pool", margin=0.1)  # it may have had one
    check_turns([one, life("b", "ann", queued=2, granted=300, priority=1), waits], "pool", margin=0.1)
    with pytest.raises(AssertionError, match=r"ann was served twice \(b\) while w waited"):
        check_turns([one, two, waits], "pool", margin=0.1)


def test_fairness_of_a_pool():
    waiting = [life(f"w-{user}", user, queued=1, granted=10_000 + n) for n, user in enumerate(("ann", "bob"))]
    served = [life(f"{n}", ("ann", "bob")[n % 2], queued=2, granted=10 + n) for n in range(80)]
    assert check_fairness([*waiting, *served], "pool") == {"ann": 41, "bob": 40}
    with pytest.raises(AssertionError, match="too few grants of pool to judge"):
        check_fairness([*waiting, *served[:30]], "pool")
    greedy = [life(f"x{n}", "ann", queued=2, granted=200 + n) for n in range(20)]
    with pytest.raises(AssertionError, match="not shared fairly"):
        check_fairness([*waiting, *served, *greedy], "pool")
    alone = [life(f"y{n}", "ann", queued=2, granted=20_000 + n) for n in range(20)]
    check_fairness([*waiting, *served, *alone], "pool")  # bob was not waiting any more
