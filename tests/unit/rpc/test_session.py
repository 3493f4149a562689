"""A session as callers see it."""

from sojourn.v1 import session_pb2
from sojourn_server.domain.session import Session
from sojourn_server.rpc.render import fill_session


def rendered(**fields) -> session_pb2.Session:
    message = session_pb2.Session()
    fill_session(message, Session("s", "ab" * 8, "cd" * 8, revision=1, **fields))
    return message


def test_what_is_going_on_in_a_session():
    message = rendered(admitted_requests=2, queued_requests=3, connection_count=4)
    assert (message.admitted_requests, message.queued_requests, message.connection_count) == (2, 3, 4)


def test_a_session_where_nothing_is_going_on():
    message = rendered()
    assert (message.admitted_requests, message.queued_requests, message.connection_count) == (0, 0, 0)
