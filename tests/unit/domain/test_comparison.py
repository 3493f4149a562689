"""What counts as a difference between two sessions."""

import pytest

from sojourn_server.domain.comparison import Difference, compare, equal
from sojourn_server.domain.session import Session, SessionStatus, StepStatus, StepSummary
from sojourn_server.domain.statistics import Statistics, ToolStatistics, statistics_of

PASSED, FAILED, ERROR = StepStatus.PASSED, StepStatus.FAILED, StepStatus.ERROR


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"1", b"1.0"),
        (b"100", b"1e2"),
        (b'{"a": 1, "b": [2]}', b'{"b":[2.0],"a":1}'),
        (b'"\\u00e9"', '"é"'.encode()),
        (b"123456789012345678901234567890", b"123456789012345678901234567890.0"),
    ],
)
def test_the_same_json_value_written_differently(one, other):
    assert equal(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"1", b"true"),
        (b"0", b"false"),
        (b"1", b'"1"'),
        (b"null", b"0"),
        (b"[1,2]", b"[2,1]"),
        (b'{"a":1}', b'{"a":1,"b":null}'),
        (b"9007199254740993", b"9007199254740992"),
    ],
)
def test_different_json_values(one, other):
    assert not equal(one, other)


def session(**fields):
    return Session("s", "u", "i", **fields)


def test_steps_differ_by_their_outcome_alone():
    was = {"a": StepSummary(1, PASSED, 5), "b": StepSummary(1, FAILED, None), "c": StepSummary(1, PASSED, 1)}
    now = {"a": StepSummary(9, PASSED, 7), "b": StepSummary(1, ERROR, None), "d": StepSummary(1, PASSED, 1)}
    found = compare(session(steps=was), session(steps=now), Statistics(), Statistics())
    assert [(step.name, step.difference) for step in found.steps] == [
        ("a", Difference.SAME), ("b", Difference.CHANGED), ("c", Difference.REMOVED), ("d", Difference.ADDED),
    ]  # fmt: skip
    assert (found.steps[0].baseline, found.steps[0].session) == (was["a"], now["a"])
    assert found.steps[2].session is None


def test_statistics_add_up():
    one = session(
        status=SessionStatus.COMPLETED, created_us=10, updated_us=30, ended_us=25,
        steps={"a": StepSummary(1, PASSED, 5), "b": StepSummary(1, ERROR, 5)}, counters={"steps": 3},
    )  # fmt: skip
    found = statistics_of(one, [ToolStatistics("git", 2, 1, 1, 30, 20, 5)])
    assert (found.lasted_us, found.step_success_rate, found.invocation_success_rate) == (15, 0.5, 2 / 3)
    found.add(statistics_of(session(created_us=5, updated_us=6), [ToolStatistics("git", 1), ToolStatistics("sh", 5)]))
    assert (found.sessions, found.lasted_us, found.sums["steps"]) == (2, 16, 3)
    assert found.statuses == {SessionStatus.COMPLETED: 1, SessionStatus.ACTIVE: 1}
    assert [tool.tool for tool in found.tools] == ["git", "sh"]
    assert found.by_tool["git"] == ToolStatistics("git", 3, 1, 1, 30, 20, 5)
    assert Statistics().invocation_success_rate is None
