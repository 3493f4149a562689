"""The effects of changes on a head are the fold of the same changes."""

import re

import pytest
from hypothesis import given

from sojourn_server.domain import changes as ch
from sojourn_server.domain.effects import INT64_MAX, INT64_MIN, Effects, effects_of
from sojourn_server.domain.errors import ConflictError
from sojourn_server.domain.fold import Folded, fold
from sojourn_server.domain.heads import after, head_fields, size_of
from sojourn_server.domain.session import Session, SessionStatus
from sojourn_server.store.heads import parse_head
from tests.support.changes import caller_changes, creations, histories, writes

Head = dict[str, bytes]


class RefusedError(Exception):
    """The engine would not increment."""


def incremented(old: bytes | None, delta: int) -> bytes:
    """The engine's HINCRBY."""
    digits = b"0" if old is None else old
    if not re.fullmatch(rb"0|-?[1-9][0-9]*", digits) or not INT64_MIN <= int(digits) <= INT64_MAX:
        raise RefusedError
    if not INT64_MIN <= int(digits) + delta <= INT64_MAX:
        raise RefusedError
    return b"%d" % (int(digits) + delta)


def apply(head: Head, effects: Effects, us: int) -> Head:
    """The head after a write; the one given stays as it is."""
    after = dict(head)
    for name, delta in effects.state_increments.items():
        after[name] = incremented(after.get(name), delta)
    for name, value in effects.sets.items():
        after[name] = value if isinstance(value, bytes) else value.encode()
    for name in effects.deletes:
        after.pop(name, None)
    for name, delta in effects.increments.items():
        after[name] = incremented(after.get(name), delta)
    for name in (*effects.stamps, "updated"):
        after[name] = b"%d" % us
    after["rev"] = incremented(after.get("rev"), 1)
    return after


@given(creations, histories)
def test_a_head_is_the_fold_of_its_changes(created, written):
    head: Head = {"inc": b"1nc"}
    folded, open_invocations = Session("s", "", "1nc"), {}
    for us, changes in enumerate([[created], *written], start=1_700_000_000_000_000):
        try:
            head = apply(head, effects_of(changes), us)
        except (RefusedError, ConflictError):
            continue  # a refused write changes nothing
        fold(folded, changes, us, open_invocations)
        flat = [part for name, value in head.items() for part in (name.encode(), value)]
        assert parse_head("s", flat) == folded


@given(creations, histories)
def test_a_head_is_made_of_a_fold(created, written):
    head: Head = {"inc": b"1nc"}
    folded = Folded(Session("s", "", "1nc"))
    for us, changes in enumerate([[created], *written], start=1_700_000_000_000_000):
        try:
            effects = effects_of(changes)
            one_more = apply(head, effects, us)
        except (RefusedError, ConflictError):
            continue
        if head and not effects.state_increments:
            stamped = dict.fromkeys(("updated", "rev", *effects.stamps))
            expected = {name: value for name, value in one_more.items() if name not in stamped}
            made = after(head_fields(folded), effects)
            assert {name: value for name, value in made.items() if name not in stamped} == expected
        head = one_more
        folded.add(changes, us)
        assert head_fields(folded) == head


def test_the_size_of_a_head_is_that_of_what_callers_named():
    folded = Folded(Session("s", "uid", "inc", purpose="not counted", tools={"tool": 12}, counters={"messages": 3}))
    assert size_of(head_fields(folded)) == len("u:tool")
    folded.session.state, folded.open_invocations = {"ü": b"12"}, {"i": "r/t"}
    assert size_of(head_fields(folded)) == len("u:tools:ü12o:ir/t".encode())


@given(writes)
def test_every_field_has_one_effect(written):
    for changes in written:
        try:
            effects = effects_of(changes)
        except ConflictError:
            continue
        groups = [set(effects.sets), effects.deletes, set(effects.state_increments), set(effects.increments)]
        groups.append(set(effects.stamps))
        assert sum(map(len, groups)) == len(set().union(*groups))
        assert all(effects.sets.values()), "an empty value is an absent field"
        assert effects.mask == ch.kind_mask(change.kind for change in changes)
        assert effects.mask < 1 << 32


@given(caller_changes)
def test_callers_touch_no_field_of_the_stores_own(change):
    effects = effects_of([change])
    for name in (*effects.sets, *effects.deletes, *effects.state_increments, *effects.increments):
        assert name[1:2] == ":" or name == "purpose"
    assert effects.stamps == {}


@pytest.mark.parametrize("value", [b"1.5", b'"1"', b"-0", b"", b"1e3", b"%d" % 2**63, b"9" * 5000])
def test_an_increment_of_what_the_same_write_set_to_something_else(value):
    with pytest.raises(ConflictError) as raised:
        effects_of([ch.StateSet({"k": value or b"null"}), ch.StateIncremented("k", 1)])
    assert raised.value.reason == "NOT_AN_INTEGER"
    assert raised.value.metadata["key"] == "k"


@pytest.mark.parametrize(
    "changes",
    [
        [ch.StateSet({"k": b"%d" % INT64_MAX}), ch.StateIncremented("k", 1)],
        [ch.StateDeleted(("k",)), ch.StateIncremented("k", INT64_MIN), ch.StateIncremented("k", -1)],
        [ch.StateIncremented("k", INT64_MAX), ch.StateIncremented("k", 1)],
    ],
)
def test_an_increment_beyond_64_bits(changes):
    with pytest.raises(ConflictError) as raised:
        effects_of(changes)
    assert raised.value.reason == "INTEGER_OVERFLOW"


def test_increments_after_a_set_or_delete_are_sums():
    effects = effects_of([ch.StateSet({"k": b"5"}), ch.StateIncremented("k", 2), ch.StateIncremented("k", -8)])
    assert effects.sets == {"s:k": b"-1"}
    effects = effects_of([ch.StateDeleted(("k",)), ch.StateIncremented("k", 2)])
    assert (effects.sets, effects.deletes) == ({"s:k": b"2"}, set())
    effects = effects_of([ch.StateIncremented("k", 2), ch.StateIncremented("k", 3)])
    assert effects.state_increments == {"s:k": 5}
    effects = effects_of([ch.StateIncremented("k", 2), ch.StateDeleted(("k",))])
    assert (effects.state_increments, effects.deletes) == ({}, {"s:k"})


def test_an_ended_session_is_stamped_and_a_resumed_one_is_not():
    assert effects_of([ch.StatusChanged(SessionStatus.FAILED, "why")]).stamps == {"ended": None}
    effects = effects_of([ch.StatusChanged(SessionStatus.ACTIVE)])
    assert (effects.stamps, effects.deletes) == ({}, {"ended", "error"})


def test_an_increment_that_the_same_write_overrides_is_none():
    folded = Session("s", "", "", state={"k": b'"text"'})
    changes = [ch.StateIncremented("k", 1), ch.StateSet({"k": b"0"})]
    assert effects_of(changes).state_increments == {}
    fold(folded, changes, 1, {})
    assert folded.state == {"k": b"0"}
