"""Idempotency keys: at most one effect, and the first result for every retry."""

import asyncio

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import AlreadyExistsError, ConflictError, NotFoundError
from sojourn_server.domain.session import SessionStatus

DAY = 86_400


async def test_a_retried_write_gives_the_first_result(desk):
    await desk.create(state={"n": b"0"})
    first = await desk.write(ch.StateIncremented("n", 1), idempotency_key="k")
    await desk.add(3)
    retried = await desk.write(ch.StateIncremented("n", 1), idempotency_key="k")
    assert (retried.revision, retried.commit_us, retried.cursor) == (2, first.commit_us, first.cursor)
    assert (first.replayed, retried.replayed) == (False, True)
    session = await desk.get()
    assert (session.revision, session.state["n"]) == (5, b"1")


async def test_of_many_at_once_one_takes_effect(desk):
    await desk.create(state={"n": b"0"})
    results = await asyncio.gather(
        *(desk.write(ch.StateIncremented("n", 1), idempotency_key="k") for _ in range(30))
    )  # fmt: skip
    assert {result.revision for result in results} == {2}
    assert sum(not result.replayed for result in results) == 1
    assert (await desk.get()).state["n"] == b"1"


async def test_within_one_batch(desk):
    await desk.create()
    write = desk.writing(ch.LogAppended(), idempotency_key="k")
    first, second = await desk.store.active.write_many([write, write])
    assert (first.revision, first.replayed, second.revision, second.replayed) == (2, False, 2, True)


async def test_a_retry_succeeds_though_the_session_moved_on(desk):
    await desk.create()
    write = {"idempotency_key": "k", "expected_revision": 1}
    await desk.write(ch.LogAppended(), **write)
    end = ch.StatusChanged(SessionStatus.COMPLETED)
    await desk.write(end, idempotency_key="end", body=b"end")
    assert (await desk.write(ch.LogAppended(), **write)).revision == 2
    assert (await desk.write(end, idempotency_key="end", body=b"end")).revision == 3


@pytest.mark.parametrize("other", [{"body": b"other"}, {"expected_revision": 2}, {"required_status": 1}])
async def test_a_key_used_for_another_write_is_refused(desk, other):
    await desk.create()
    await desk.write(ch.LogAppended(), idempotency_key="k")
    with pytest.raises(ConflictError) as raised:
        await desk.write(ch.LogAppended(), idempotency_key="k", **other)
    assert raised.value.reason == "IDEMPOTENCY_KEY_REUSED"
    assert raised.value.metadata == {"session_id": "s", "idempotency_key": "k", "revision": "2"}
    assert (await desk.get()).revision == 2


async def test_a_refused_write_uses_up_no_key(desk):
    await desk.create()
    with pytest.raises(ConflictError):
        await desk.write(ch.LogAppended(), idempotency_key="k", expected_revision=9)
    assert (await desk.write(ch.LogAppended(), idempotency_key="k")).replayed is False


async def test_keys_belong_to_a_session(desk):
    for sid in ("s", "other"):
        await desk.create(sid)
        assert (await desk.write(ch.LogAppended(), sid=sid, idempotency_key="k")).replayed is False


async def test_a_retry_never_lands_on_the_next_session_of_the_id(desk):
    await desk.create()
    first = await desk.write(ch.StateSet({"k": b"1"}), idempotency_key="k")
    await desk.delete()
    assert (await desk.write(ch.StateSet({"k": b"1"}), idempotency_key="k")).cursor == first.cursor
    await desk.create()
    retried = await desk.write(ch.StateSet({"k": b"1"}), idempotency_key="k")
    assert (retried.cursor, retried.replayed) == (first.cursor, True)
    assert (await desk.get()).state == {}


async def test_a_retried_deletion_spares_the_next_session_of_the_id(desk):
    await desk.create()
    await desk.delete(idempotency_key="k")
    again = await desk.create()
    await desk.delete(idempotency_key="k")
    assert (await desk.get()).uid == again.uid


async def test_a_retried_creation_gives_the_first_result(desk):
    uids = [desk.new(idempotency_key="k", purpose="p") for _ in range(2)]
    first, created = await desk.store.active.create(uids[0], or_get=False, checked=True)
    await desk.add(2)
    retried, created_again = await desk.store.active.create(uids[1], or_get=False, checked=True)
    assert (created, created_again) == (True, True)
    assert (retried.cursor, retried.replayed) == (first.cursor, True)
    assert (await desk.get()).revision == 3


async def test_another_creation_with_the_key_is_refused(desk):
    await desk.create(idempotency_key="k", body=b"one")
    with pytest.raises(ConflictError) as raised:
        await desk.create(idempotency_key="k", body=b"two")
    assert raised.value.reason == "IDEMPOTENCY_KEY_REUSED"
    with pytest.raises(AlreadyExistsError):
        await desk.create(idempotency_key="l", body=b"one")


async def test_a_retried_creation_whose_session_was_deleted_since(desk):
    await desk.create(idempotency_key="k")
    await desk.add(2)
    await desk.delete()
    with pytest.raises(NotFoundError) as raised:
        await desk.create(idempotency_key="k")
    assert raised.value.reason == "SESSION_DELETED"
    with pytest.raises(NotFoundError):
        await desk.get()
    await desk.create()
    with pytest.raises(NotFoundError) as raised:
        await desk.create(idempotency_key="k")
    assert raised.value.reason == "SESSION_DELETED"


async def test_a_retried_deletion_gives_the_first_result(desk):
    await desk.create()
    await desk.add(2)
    assert await desk.delete(idempotency_key="k", expected_revision=3) == 3
    assert await desk.delete(idempotency_key="k", expected_revision=3) == 3
    with pytest.raises(ConflictError) as raised:
        await desk.delete(idempotency_key="k")
    assert raised.value.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_records_are_kept_for_a_day(desk, engine):
    await desk.create(idempotency_key="created")
    await desk.write(ch.LogAppended(), idempotency_key="written")
    for key in ("created", "written"):
        assert DAY - 60 <= await engine.at_owner("TTL", desk.keys().idempotency_prefix + key) <= DAY
    await desk.delete(idempotency_key="deleted")
    assert DAY - 60 <= await engine.at_owner("TTL", desk.keys().idempotency_prefix + "deleted") <= DAY
    assert DAY - 60 <= await engine.at_owner("TTL", desk.keys().tombstone) <= DAY


async def test_keys_of_any_text(desk):
    await desk.create()
    for key in ("a|b", "ü☃", "{x}", "x" * 128, ":", "s|1|2|3|4"):
        first = await desk.write(ch.LogAppended(), idempotency_key=key)
        assert (await desk.write(ch.LogAppended(), idempotency_key=key)).cursor == first.cursor
