"""Every change a caller can make goes over the wire and comes back as the model that was meant."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from sojourn import (
    Client,
    ClientStateError,
    Custom,
    Durability,
    Event,
    InfoUpdated,
    InvalidFieldError,
    InvocationFinished,
    InvocationStarted,
    LogAppended,
    MessageAppended,
    ResultSet,
    StateDeleted,
    StateIncremented,
    StateSet,
    StepFinished,
    Usage,
    Write,
)
from tests.unit.sdk.fake_service import FakeService


@pytest.fixture
def session(client: Client, service: FakeService):
    service.add_session("s")
    return client.session("s")


async def test_a_write_is_one_event_with_all_its_changes(session):
    usage = Usage(input_tokens=10, output_tokens=5, cost=0.1)
    async with session.write() as write:
        write.set_state({"text": "é", "big": 2**60, "none": None, "nested": {"list": [1, 1.5, True]}})
        write.delete_state("a", "b")
        write.increment_state("count", -3)
        write.add_message("user", "hi", parts=[{"type": "image", "artifact": "a.png"}])
        write.add_message("assistant", usage=usage)
        write.add_message("tool", "", tool_name="git", invocation_id="i-1")
        write.start_invocation("git", arguments={"command": "status"}, invocation_id="i-1", request_id="r-1")
        write.finish_invocation("i-1", status="failed", error="no", duration=1.5, cost=Decimal("0.000001"))
        write.record_step("login", status="passed", run=2, duration=timedelta(milliseconds=20), output=[1])
        write.set_result("score", None)
        write.log("careful", level="warning")
        write.update(purpose="", add_tags=["x"], remove_tags=("y",), metadata={"k": 1}, remove_metadata=["z"])
        write.add_custom("acme.checkpoint", {"step": 7})
    assert write.revision == session.revision == 2
    assert write.result is not None
    assert write.result.durability is Durability.LOCAL_FSYNC
    assert (write.result.cursor, write.result.replayed) == ("c2", False)

    [event] = [event async for event in session.events(after=1)]
    assert event.changes == (
        StateSet(values={"text": "é", "big": 2**60, "none": None, "nested": {"list": [1, 1.5, True]}}),
        StateDeleted(keys=("a", "b")),
        StateIncremented(key="count", delta=-3),
        MessageAppended(role="user", content="hi", parts=({"type": "image", "artifact": "a.png"},)),
        MessageAppended(role="assistant", content=None, usage=usage),
        MessageAppended(role="tool", content="", tool_name="git", invocation_id="i-1"),
        InvocationStarted(invocation_id="i-1", tool="git", arguments={"command": "status"}, request_id="r-1"),
        InvocationFinished(
            invocation_id="i-1",
            status="failed",
            error="no",
            duration=timedelta(seconds=1.5),
            usage=Usage(cost=0.000001),
        ),
        StepFinished(name="login", status="passed", run=2, duration=timedelta(milliseconds=20), output=[1]),
        ResultSet(name="score", value=None),
        LogAppended(level="warning", text="careful"),
        InfoUpdated(purpose="", add_tags=("x",), remove_tags=("y",), set_metadata={"k": 1}, remove_metadata=("z",)),
        Custom(type="acme.checkpoint", payload={"step": 7}),
    )
    assert Event.model_validate(event.model_dump(mode="json")) == event


async def test_single_changes(session):
    revisions = [
        await session.set_state({"k": 1}),
        await session.delete_state("k"),
        await session.increment_state("n"),
        await session.update(add_tags=["t"]),
        await session.add_message("system", "be kind"),
        await session.record_invocation("git", result=[1], duration=0.15, cost=0.02, invocation_id="i"),
        await session.record_step("s", status="skipped"),
        await session.set_result("r", {"ok": True}),
        await session.log("line"),
        await session.add_custom("x"),
        await session.complete(status="failed", error="why"),
    ]
    assert revisions == list(range(2, 13))
    kinds = [[change.kind.value for change in event.changes] async for event in session.events(after=1)]
    assert kinds == [
        ["state_set"],
        ["state_deleted"],
        ["state_incremented"],
        ["info_updated"],
        ["message_appended"],
        ["invocation_started", "invocation_finished"],
        ["step_finished"],
        ["result_set"],
        ["log_appended"],
        ["custom"],
        ["status_changed"],
    ]


async def test_preconditions_are_sent(session, service: FakeService):
    async with session.write(expected_revision=1, required_status="active", fencing_token=7) as write:
        write.log("x")
    await session.set_state({"k": 1}, expected_revision=2)
    await session.complete(expected_revision=3, fencing_token=8)
    first, second = (request.writes[0].precondition for request in service.requests("BatchWriteSessions"))
    assert (first.expected_revision, first.required_status, first.fencing_token) == (1, 1, 7)
    assert (second.expected_revision, second.HasField("fencing_token")) == (2, False)
    [complete] = service.requests("CompleteSession")
    assert (complete.precondition.expected_revision, complete.precondition.fencing_token) == (3, 8)


async def test_nothing_is_sent_after_an_exception_or_without_a_change(session, service: FakeService):
    left = session.write()

    async def work() -> None:
        async with left:
            left.log("never")
            raise KeyError("oops")

    with pytest.raises(KeyError):
        await work()
    async with session.write() as empty:
        pass
    assert left.revision is empty.revision is empty.result is None
    assert service.calls == []


async def test_a_write_that_has_ended_takes_nothing(session):
    async with session.write() as write:
        write.log("x")
    with pytest.raises(ClientStateError):
        write.log("y")


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ('state["k"]', lambda write: write.set_state({"ok": 1, "k": object()})),
        ('state["k"]', lambda write: write.set_state({"k": float("nan")})),
        ('state["k"]', lambda write: write.set_state({"k": "\ud800"})),
        ("state", lambda write: write.set_state({1: "number"})),
        ("keys", lambda write: write.delete_state(["list"])),
        ("delta", lambda write: write.increment_state("n", 2**63)),
        ("delta", lambda write: write.increment_state("n", 1.5)),
        ("role", lambda write: write.add_message("robot", "beep")),
        ("role", lambda write: write.add_message("unknown", "beep")),
        ("parts[1]", lambda write: write.add_message("user", "x", parts=[{}, {1, 2}])),
        ("arguments", lambda write: write.start_invocation("git", arguments=b"bytes")),
        ("result", lambda write: write.record_invocation("git", result=object())),
        ("duration", lambda write: write.record_invocation("git", duration=-1)),
        ("cost", lambda write: write.record_invocation("git", cost=float("inf"))),
        ("cost", lambda write: write.record_invocation("git", cost=-0.1)),
        ("cost", lambda write: write.record_invocation("git", cost=1, usage=Usage(cost=2))),
        ("status", lambda write: write.record_step("s", status="great")),
        ("level", lambda write: write.log("x", level="loud")),
        ("add_tags", lambda write: write.update(add_tags="one")),
        ('metadata["m"]', lambda write: write.update(metadata={"m": ...})),
    ],
)
async def test_what_is_wrong_on_its_face_is_told_before_anything_is_sent(
    session, service: FakeService, field: str, change: Callable[[Write], None]
):
    async with session.write() as write:
        with pytest.raises(InvalidFieldError) as caught:
            change(write)
    # Nothing was half added, so there was nothing to send.
    assert isinstance(caught.value, ValueError)
    assert caught.value.field == field
    assert field in str(caught.value)
    assert service.calls == []
