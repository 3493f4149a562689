"""Page tokens: bound to the tenant and the query."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.v1 import session_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn_server.domain.cursor import SessionCursor
from sojourn_server.domain.limits import Limits
from sojourn_server.rpc import pages, parse

LIMITS = Limits()
BOUND = pages.digest("t", session_pb2.SessionFilter(user_id="u"))
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~@+=-]{0,127}", fullmatch=True)


def refused(decode, token, bound=BOUND) -> None:
    with pytest.raises(pages.PageTokenError) as raised:
        decode(token, bound)
    assert raised.value.metadata == {"field": "page_token"}


@given(st.integers(0, 2**63 - 1), ids)
def test_a_place_in_a_list(us, sid):
    assert pages.decode_list_token(pages.encode_list_token((us, sid), BOUND), BOUND) == (us, sid)


@given(st.integers(0, 2**63 - 1))
def test_a_place_in_a_log(revision):
    assert pages.decode_offset(pages.encode_offset(revision, BOUND), BOUND) == revision


@given(st.integers(0, 2**63 - 1), ids, ids)
def test_a_place_among_requests(us, sid, request_id):
    token = pages.encode_request_token((us, sid, request_id), BOUND)
    assert pages.decode_request_token(token, BOUND) == (us, sid, request_id)


@given(st.binary(max_size=40), st.text(max_size=40))
def test_anything_else_is_refused(raw, text):
    for token in (base64.urlsafe_b64encode(raw).decode(), text):
        for decode in (pages.decode_list_token, pages.decode_request_token, pages.decode_offset):
            refused(decode, token)


def test_a_token_of_another_tenant_or_query_is_refused():
    tokens = {
        pages.decode_list_token: pages.encode_list_token((1, "s"), BOUND),
        pages.decode_offset: pages.encode_offset(1, BOUND),
    }
    others = [("other", {"user_id": "u"}), ("t", {"user_id": "v"}), ("t", {}), ("t", {"user_id": "u", "project": "p"})]
    for decode, token in tokens.items():
        for tenant, query in others:
            refused(decode, token, pages.digest(tenant, session_pb2.SessionFilter(**query)))


@pytest.mark.parametrize("cut", [1, 8, 12])
def test_a_token_cut_short_is_refused(cut):
    refused(pages.decode_offset, pages.encode_offset(1, BOUND)[:-cut])
    refused(pages.decode_list_token, pages.encode_list_token((1, "s"), BOUND)[: -cut - 2])


def test_the_size_of_the_page_may_change_from_page_to_page():
    first, bound = parse.events_query("t", pb.ListEventsRequest(session_id="s", page_size=2), LIMITS)
    token = pages.encode_offset(7, bound)
    query, _ = parse.events_query("t", pb.ListEventsRequest(session_id="s", page_size=5, page_token=token), LIMITS)
    assert (first.after, query.after, query.count) == (0, 7, 5)


@pytest.mark.parametrize("change", [{"session_id": "o"}, {"reverse": True}, {"kinds": [1]}, {"after": {"revision": 1}}])
def test_nothing_else_may(change):
    _, bound = parse.events_query("t", pb.ListEventsRequest(session_id="s"), LIMITS)
    request = pb.ListEventsRequest(**{"session_id": "s", "page_token": pages.encode_offset(7, bound)} | change)
    with pytest.raises(pages.PageTokenError):
        parse.events_query("t", request, LIMITS)
    with pytest.raises(pages.PageTokenError):
        parse.events_query("u", pb.ListEventsRequest(session_id="s", page_token=request.page_token), LIMITS)


def test_a_page_goes_on_where_the_last_one_ended():
    cursor = SessionCursor("00000000000000aa", "00000000000000bb", 3, 99)
    request = pb.ListEventsRequest(session_id="s", after={"cursor": {"token": cursor.encode()}})
    _, bound = parse.events_query("t", request, LIMITS)
    request.page_token = pages.encode_offset(7, bound)
    query, _ = parse.events_query("t", request, LIMITS)
    assert query.after == cursor._replace(revision=7, commit_us=0)
    request = pb.ListEventsRequest(session_id="s", reverse=True, after={"revision": 2})
    _, bound = parse.events_query("t", request, LIMITS)
    request.page_token = pages.encode_offset(7, bound)
    query, _ = parse.events_query("t", request, LIMITS)
    assert (query.after, query.before, query.reverse) == (2, 7, True)
