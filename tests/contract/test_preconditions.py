"""What must hold for a write; where it does not, nothing happens."""

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import ConflictError, NotFoundError
from sojourn_server.domain.session import SessionStatus


async def refused(desk, *changes, **kwargs) -> ConflictError:
    """The refusal of a write, which must have left everything as it was."""
    before = await desk.get()
    with pytest.raises(ConflictError) as raised:
        await desk.write(*changes, **kwargs)
    assert await desk.get() == before
    assert (await desk.events()).head.revision == before.revision
    assert raised.value.metadata["revision"] == str(before.revision)
    assert raised.value.metadata["session_id"] == "s"
    return raised.value


async def test_the_expected_revision(desk):
    await desk.create()
    assert (await desk.write(ch.LogAppended(), expected_revision=1)).revision == 2
    for wrong in (1, 3, 2**62):
        error = await refused(desk, ch.StateSet({"k": b"1"}), expected_revision=wrong)
        assert error.reason == "REVISION_CONFLICT"
        assert error.metadata["expected_revision"] == str(wrong)


async def test_revisions_are_compared_as_numbers_beyond_ten(desk):
    await desk.create()
    await desk.add(9)
    assert (await desk.write(ch.LogAppended(), expected_revision=10)).revision == 11


async def test_the_required_status(desk):
    await desk.create()
    assert (await desk.write(ch.LogAppended(), required_status=SessionStatus.ACTIVE)).revision == 2
    error = await refused(desk, ch.LogAppended(), required_status=SessionStatus.FAILED)
    assert error.reason == "STATUS_CONFLICT"
    assert (error.metadata["status"], error.metadata["required_status"]) == ("ACTIVE", "FAILED")


async def test_a_session_that_has_ended_takes_only_what_may_follow(desk):
    await desk.create()
    await desk.write(ch.StatusChanged(SessionStatus.COMPLETED))
    error = await refused(desk, ch.LogAppended())
    assert (error.reason, error.metadata["status"]) == ("SESSION_ENDED", "COMPLETED")
    error = await refused(desk, ch.StatusChanged(SessionStatus.FAILED))
    assert error.reason == "SESSION_ENDED"
    assert (await desk.write(ch.InfoUpdated(purpose="after"), on_ended=True)).revision == 3
    assert (await desk.get()).purpose == "after"


async def test_a_fencing_token_nobody_holds(desk):
    await desk.create()
    error = await refused(desk, ch.LogAppended(), fencing_token=7)
    assert (error.reason, error.metadata["fencing_token"]) == ("FENCING_TOKEN_REJECTED", "7")


async def test_the_fencing_token_of_an_admitted_request(desk, engine):
    await desk.create()
    requests = desk.keys().requests
    await engine.at_owner("HSET", requests, "f:7", "request")
    assert (await desk.write(ch.LogAppended(), fencing_token=7)).revision == 2
    await engine.at_owner("HDEL", requests, "f:7")
    await engine.at_owner("HSET", requests, "f:8", "request")
    assert (await refused(desk, ch.LogAppended(), fencing_token=7)).reason == "FENCING_TOKEN_REJECTED"
    await desk.delete()
    assert await engine.at_owner("EXISTS", requests) == 0


async def test_the_first_that_fails_is_told(desk):
    await desk.create()
    await desk.write(ch.StatusChanged(SessionStatus.COMPLETED))
    everything = {"expected_revision": 9, "required_status": SessionStatus.ACTIVE, "fencing_token": 1}
    assert (await refused(desk, ch.LogAppended(), **everything)).reason == "REVISION_CONFLICT"
    everything["expected_revision"] = 2
    assert (await refused(desk, ch.LogAppended(), **everything)).reason == "STATUS_CONFLICT"


async def test_of_two_writers_with_one_expectation_one_wins(desk):
    await desk.create()
    writes = [desk.writing(ch.StateSet({"winner": b"%d" % n}), expected_revision=1) for n in range(10)]
    results = await desk.store.active.write_many(writes)
    won = [result for result in results if not isinstance(result, Exception)]
    lost = [result for result in results if isinstance(result, Exception)]
    assert [result.revision for result in won] == [2]
    assert {error.reason for error in lost} == {"REVISION_CONFLICT"}
    assert {error.metadata["revision"] for error in lost} == {"2"}


async def test_no_such_session(desk):
    with pytest.raises(NotFoundError) as raised:
        await desk.write(ch.LogAppended(), expected_revision=1)
    assert (raised.value.reason, raised.value.metadata) == ("SESSION_NOT_FOUND", {"session_id": "s"})
    await desk.create()
    await desk.add(2)
    await desk.delete()
    with pytest.raises(NotFoundError) as raised:
        await desk.write(ch.LogAppended(), expected_revision=3)
    assert raised.value.reason == "SESSION_DELETED"
    assert raised.value.metadata == {"session_id": "s", "revision": "3"}
