"""Which sessions match a filter."""

import pytest

from sojourn_server.domain.filters import SessionFilter
from sojourn_server.domain.session import Session, SessionStatus

SESSION = Session(
    "s", "uid", "inc", kind="qa", user_id="u", project="p", parent="mother", tags=["a", "b"], created_us=100,
    status=SessionStatus.FAILED,
)  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        ({}, True),
        ({"user_id": "u"}, True), ({"user_id": "v"}, False),
        ({"project": "p"}, True), ({"project": "q"}, False),
        ({"kind": "qa"}, True), ({"kind": "session"}, False),
        ({"parent": "mother"}, True), ({"parent": "s"}, False),
        ({"statuses": frozenset([SessionStatus.FAILED, SessionStatus.ACTIVE])}, True),
        ({"statuses": frozenset([SessionStatus.ACTIVE])}, False),
        ({"all_tags": frozenset("ab")}, True), ({"all_tags": frozenset("abc")}, False),
        ({"any_tags": frozenset("bc")}, True), ({"any_tags": frozenset("cd")}, False),
        ({"all_tags": frozenset("a"), "any_tags": frozenset("cd")}, False),
        ({"created_from_us": 100}, True), ({"created_from_us": 101}, False),
        ({"created_before_us": 101}, True), ({"created_before_us": 100}, False),
        ({"user_id": "u", "project": "q"}, False),
    ],
)  # fmt: skip
def test_conditions(condition, matches):
    assert SessionFilter(**condition).matches(SESSION) is matches
