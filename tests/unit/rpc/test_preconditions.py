"""What a call asks for before it writes, on the wire."""

import pytest

from sojourn.v1 import session_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn_server.domain.cursor import SessionCursor
from sojourn_server.domain.errors import InvalidFieldError, PositionError
from sojourn_server.domain.events import NO_PRECONDITION, Precondition
from sojourn_server.domain.limits import Limits
from sojourn_server.domain.session import SessionStatus
from sojourn_server.rpc import parse, parse_requests

KNOWN = SessionCursor("00000000000000aa", "00000000000000bb", 7, 1_700_000_000_123_456)
CURSOR = session_pb2.Cursor(token=KNOWN.encode())


def test_everything_that_may_be_required():
    message = pb.Precondition(
        expected_revision=7, required_status=session_pb2.SESSION_STATUS_FAILED, fencing_token=9, known=CURSOR
    )
    assert parse.precondition(message) == Precondition(7, SessionStatus.FAILED, 9, KNOWN)
    assert parse.precondition(pb.Precondition(known={})) == NO_PRECONDITION


@pytest.mark.parametrize("field", ["expected_revision", "fencing_token"])
def test_numbers_are_one_or_more(field):
    with pytest.raises(InvalidFieldError) as raised:
        parse.precondition(pb.Precondition(**{field: 0}), "begin.")
    assert raised.value.metadata["field"] == f"begin.precondition.{field}"


def test_only_a_cursor_of_a_session_is_known():
    with pytest.raises(PositionError) as raised:
        parse.precondition(pb.Precondition(known={"token": "nonsense"}), "begin.")
    assert (raised.value.reason, raised.value.metadata) == ("CURSOR_MALFORMED", {"field": "begin.precondition.known"})


def test_a_request_says_what_it_knows_too():
    request = pb.BeginRequestRequest(session_id="s", precondition={"known": CURSOR, "expected_revision": 3})
    new = parse_requests.begin("t", request, Limits(), 15_000).new
    assert (new.known, new.expected_revision) == (KNOWN, 3)
