"""Syntax of names, and sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn_server.domain import limits
from sojourn_server.domain.errors import InvalidFieldError, TooLargeError
from sojourn_server.domain.session import SessionKey


@pytest.mark.parametrize("good", ["a", "0", "qa-17", "A.b_c~d@e+f=g-h", "x" * 128])
def test_session_ids(good):
    assert limits.check_session_id(good) == good


@pytest.mark.parametrize(
    "bad", ["", "-a", ".a", "a/b", "a:b", "a{b}", "a b", "a\n", "ü", "a\x00", "x" * 129, "a*", "a\ud800"]
)
def test_what_cannot_name_a_session(bad):
    with pytest.raises(InvalidFieldError) as raised:
        limits.check_session_id(bad, "parent")
    assert raised.value.metadata["field"] == "parent"


@given(st.text(max_size=20))
def test_an_id_that_passes_cannot_be_taken_for_anything_else_in_a_key(text):
    try:
        limits.check_session_id(text)
    except InvalidFieldError:
        return
    assert not set(text) & set("/:{}| \n")
    assert SessionKey("t", text).member.count("/") == 1


@pytest.mark.parametrize("bad", ["", "Qa", "1a", "a_b", "a b", "x" * 65])
def test_kinds(bad):
    assert limits.check_kind("qa-run2") == "qa-run2"
    with pytest.raises(InvalidFieldError):
        limits.check_kind(bad)


def test_bytes_are_counted_not_letters():
    assert limits.check_name("ü" * 5, "f", 10) == "ü" * 5
    with pytest.raises(TooLargeError) as raised:
        limits.check_name("ü" * 6, "f", 10)
    assert raised.value.metadata == {"field": "f", "limit": "10", "actual": "12", "unit": "bytes"}


@pytest.mark.parametrize("bad", ["", "a\nb", "\x00", "a\x7f", "\t"])
def test_names_hold_no_control_characters(bad):
    with pytest.raises(InvalidFieldError):
        limits.check_name(bad, "f", 10)
    assert limits.check_label("", "f", 10) == ""


def test_counts():
    limits.check_count(1, "f", 2, "items")
    limits.check_count(2, "f", 2, "items")
    with pytest.raises(InvalidFieldError):
        limits.check_count(0, "f", 2, "items")
    with pytest.raises(TooLargeError) as raised:
        limits.check_count(3, "f", 2, "items")
    assert raised.value.metadata["unit"] == "items"
