"""A write may say what its writer knows of the session's history, and what fields it counts on; where that is not so
(any more) nothing happens."""

from dataclasses import replace

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import FieldChangedError, NotFoundError, PositionError
from sojourn_server.domain.events import Precondition
from sojourn_server.domain.requests import NewRequest, Quotas, RequestKey
from sojourn_server.domain.session import SessionStatus
from tests.support.sessions import committed


async def refused(desk, known, **required) -> PositionError:
    """The refusal of a write, alone and in a batch; the session must be as it was."""
    before = await desk.get()
    with pytest.raises(PositionError) as raised:
        await desk.write(ch.LogAppended(), known=known, **required)
    (again,) = await desk.store.active.write_many([desk.writing(ch.LogAppended(), known=known, **required)])
    assert isinstance(again, PositionError)
    assert (again.reason, again.metadata) == (raised.value.reason, raised.value.metadata)
    assert await desk.get() == before
    # Where it is another session, how far that is means nothing to the caller.
    revision = {} if raised.value.reason == "SESSION_REPLACED" else {"revision": str(before.revision)}
    assert raised.value.metadata == {"session_id": "s"} | revision
    return raised.value


async def test_a_position_of_the_history_holds(desk):
    created = await desk.create()
    results = await desk.add(3)
    for known in (created.cursor, results[0].cursor, results[-1].cursor, results[-1].cursor._replace(commit_us=0)):
        await desk.write(ch.LogAppended(), known=known)
    await desk.trim(7)
    assert (await desk.write(ch.LogAppended(), known=created.cursor)).revision == 9


async def test_what_was_lost_does_not(desk, engine):
    await desk.create()
    async with engine.forgetting(desk.keys()):
        lost = (await desk.add(2))[-1].cursor
    assert (await refused(desk, lost)).reason == "HISTORY_ROLLED_BACK"
    await desk.add(1)
    assert (await refused(desk, lost)).reason == "HISTORY_ROLLED_BACK"
    await desk.add(1)  # the same revision, another event
    assert (await refused(desk, lost)).reason == "HISTORY_ROLLED_BACK"
    await desk.add(1)
    assert (await refused(desk, lost, expected_revision=3)).reason == "HISTORY_ROLLED_BACK"


async def test_nor_what_is_of_another_incarnation_or_session(desk):
    created = await desk.create()
    other = created.cursor._replace(incarnation="00000000000000ee")
    assert (await refused(desk, other)).reason == "HISTORY_ROLLED_BACK"
    await desk.delete()
    with pytest.raises(NotFoundError) as raised:
        await desk.write(ch.LogAppended(), known=created.cursor)
    assert raised.value.reason == "SESSION_DELETED"
    await desk.create()
    assert (await refused(desk, created.cursor)).reason == "SESSION_REPLACED"


async def test_a_session_that_is_missing(desk):
    created = await desk.create("other")
    with pytest.raises(NotFoundError) as raised:
        await desk.write(ch.LogAppended(), known=created.cursor._replace(incarnation=await _present(desk)))
    assert raised.value.reason == "SESSION_NOT_FOUND"
    earlier = created.cursor._replace(incarnation="00000000000000ee")
    with pytest.raises(PositionError) as lost:
        await desk.write(ch.LogAppended(), known=earlier)
    assert (lost.value.reason, lost.value.metadata["revision"]) == ("HISTORY_ROLLED_BACK", "0")
    several = [desk.writing(ch.LogAppended(), known=earlier), desk.writing(ch.LogAppended(), sid="other")]
    first, second = await desk.store.active.write_many(several)
    assert first.reason == "HISTORY_ROLLED_BACK"
    assert committed(second).revision == 2


async def _present(desk) -> str:
    return await desk.store.residence.incarnation(desk.key())


async def test_a_retry_gets_its_first_result_whatever_is_known_now(desk):
    created = await desk.create()
    once = await desk.write(ch.LogAppended(), idempotency_key="k", known=created.cursor)
    later = created.cursor._replace(incarnation="00000000000000ee")
    assert await desk.write(ch.LogAppended(), idempotency_key="k", known=later) == once._replace(replayed=True)


async def test_ends_and_requests_say_what_they_know_too(desk):
    created = await desk.create()
    other = created.cursor._replace(incarnation="00000000000000ee")
    new = NewRequest(RequestKey(desk.key(), "r"), known=other)
    with pytest.raises(PositionError) as raised:
        await desk.store.requests.begin(new, Quotas())
    assert raised.value.reason == "HISTORY_ROLLED_BACK"

    async def end(known):
        return await desk.store.lifecycle.end(
            desk.key(), SessionStatus.COMPLETED, "", writer="", precondition=Precondition(known=known),
            idempotency_key="",
        )  # fmt: skip

    with pytest.raises(PositionError):
        await end(other)
    assert (await desk.get()).revision == 1
    await desk.store.requests.begin(replace(new, known=created.cursor), Quotas())
    assert (await end(created.cursor)).revision == 3


async def test_fields_that_a_write_counts_on(desk):
    await desk.create(purpose="why")
    await desk.write(ch.ArtifactAttached("a", 1))

    def attaching(version: int, **expects: str):
        write = desk.writing(ch.ArtifactAttached("a", version), ch.LogAppended())
        return replace(write, expects={"a:a": str(version - 1 or "")} | expects)

    assert (await desk.store.active.write(attaching(2, purpose="why", error=""))).revision == 3
    for wrong in (attaching(2), attaching(1), attaching(3, purpose=""), attaching(3, status="2")):
        with pytest.raises(FieldChangedError):
            await desk.store.active.write(wrong)
    session = await desk.get()
    assert (session.revision, session.artifacts) == (3, {"a": 2})


async def test_of_two_that_count_on_the_same_field_one_wins(desk):
    await desk.create()
    write = replace(desk.writing(ch.ArtifactAttached("a", 1)), expects={"a:a": ""})
    results = await desk.store.active.write_many([write] * 5)
    assert [type(result) for result in results[1:]] == [FieldChangedError] * 4
    assert committed(results[0]).revision == 2
