"""Checks of JSON values."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn_server.domain.errors import InvalidFieldError, TooLargeError
from sojourn_server.domain.values import canonical_json, check_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def check(raw: bytes, *, max_bytes: int = 1 << 20, max_depth: int = 32) -> bytes:
    return check_json(raw, "f", max_bytes=max_bytes, max_depth=max_depth)


def depth(document: object) -> int:
    if isinstance(document, dict):
        return 1 + max(map(depth, document.values()), default=0)
    return 1 + max(map(depth, document), default=0) if isinstance(document, list) else 0


@given(JSON, st.sampled_from(["", " ", "\n\t \r"]))
def test_json_passes_as_it_is_without_white_space_around_it(document, space):
    raw = json.dumps(document, ensure_ascii=False).encode(errors="replace")
    assert check(space.encode() + raw + space.encode()) == raw


@given(JSON, st.integers(0, 4))
def test_the_depth_is_counted(document, limit):
    raw = json.dumps(document).encode()
    if depth(document) > limit:
        with pytest.raises(InvalidFieldError) as raised:
            check(raw, max_depth=limit)
        assert raised.value.metadata == {"field": "f", "expected": f"JSON nested at most {limit} levels deep"}
    else:
        assert check(raw, max_depth=limit) == raw


@given(st.binary(max_size=60))
def test_any_bytes_are_taken_or_refused(raw):
    try:
        taken = check(raw)
    except InvalidFieldError:
        return
    assert taken == raw.strip(b" \t\r\n")
    json.loads(taken)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b" ", b"NaN", b"-Infinity", b"[NaN]", b"01", b"00", b"-", b"+1", b"1.", b".5", b"1e", b"0x10", b"nul",
        b"True", b"'a'", b'"a', b'"\n"', b'"\x00"', b'"\\x"', b"[1,]", b"{,}", b'{"a"}', b"{1:2}", b"1 2",
        b"[]]", b"// 1",
        b'"\xff"', b"\xef\xbb\xbf1", b"\xc3", '"\ud800"'.encode("utf-8", "surrogatepass"), b"1\x00",
        b"\x0b1", b"\xc2\xa01",
    ],
)  # fmt: skip
def test_what_is_not_json(raw):
    with pytest.raises(InvalidFieldError) as raised:
        check(raw)
    assert raised.value.reason == "INVALID_FIELD"
    assert raised.value.metadata["field"] == "f"


@pytest.mark.parametrize(
    "raw", [b"0", b"-0", b"10", b"1e400", b"-1.5E+3", b"9" * 100_000, b'"\\ud800"', b'{"a":1,"a":2}']
)
def test_what_is_json_all_the_same(raw):
    assert check(raw) == raw


def test_bytes_are_counted():
    assert check(b'"' + b"x" * 8 + b'"', max_bytes=10)
    with pytest.raises(TooLargeError) as raised:
        check(b'"' + b"x" * 9 + b'"', max_bytes=10)
    assert raised.value.metadata == {"field": "f", "limit": "10", "actual": "11", "unit": "bytes"}


@pytest.mark.parametrize("raw", [b"[" * 500_000 + b"]" * 500_000, b'{"a":' * 150_000, b"[" * 1_000_000, b"[" * 900])
def test_a_million_levels_cost_nothing_but_an_error(raw):
    with pytest.raises(InvalidFieldError):
        check(raw)


def test_brackets_in_text_are_no_levels():
    assert check(b'"' + b"[" * 1000 + b'"', max_depth=0)
    assert check(b"[" + b"[]," * 1000 + b"[]]", max_depth=2)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("0", "0"), ("-0.0e5", "0"), ("1", "1e0"), ("1.0", "1e0"), ("100", "1e2"), ("-12.50", "-125e-1"),
        ("1e2", "1e2"), ("0.001", "1e-3"), ("0.1E+3", "1e2"), ("true", "true"), ("null", "null"), ('"1"', '"1"'),
        ('"\\u00e9"', '"\\u00e9"'), ('"é"', '"\\u00e9"'), ('"\\ud800"', '"\\ud800"'),
        ('{"b": 1, "a": [1.0, {}]}', '{"a":[1e0,{}],"b":1e0}'), ('{"a":1,"a":2}', '{"a":2e0}'),
        ("1e99999999999999999999", "1e0e99999999999999999999"),
    ],
)  # fmt: skip
def test_a_values_canonical_text(raw, expected):
    assert canonical_json(raw.encode()) == expected


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda one: st.lists(one) | st.dictionaries(st.text(), one),
    )
)
def test_equal_values_have_one_canonical_text(value):
    texts = [json.dumps(value), json.dumps(value, indent=2, ensure_ascii=False), json.dumps(value, sort_keys=True)]
    assert len({canonical_json(text.encode("utf-8", "surrogatepass")) for text in texts}) == 1
    # What is canonical is canonical: reading it again finds the same value.
    assert canonical_json(canonical_json(texts[0].encode()).encode()) == canonical_json(texts[0].encode())


def test_numbers_of_any_size_are_compared():
    million = b"9" * 1_000_000
    assert canonical_json(million) != canonical_json(million[:-1] + b"8")
    assert canonical_json(million + b".0") == canonical_json(million)
