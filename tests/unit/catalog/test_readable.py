"""JSON values as people read them."""

import json

import pytest

from sojourn_server.catalog.readable import readable
from sojourn_server.catalog.words import words


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, ""),
        ("", ""),
        ("12.50", "12.50"),
        ("[1, 2.0, null, true]", "1\n2.0\ntrue"),
        ('"a\\nb"', "a\nb"),
        ('"caf\\u00e9 \\ud83d\\ude00 \\ud800"', "café \U0001f600 ?"),
        ('{"a": "b\\tc", "d": [true, {"e": 1.50}]}', "a: b\tc\nd:\ntrue\ne: 1.50"),
        ('"{\\"inner\\": \\"x\\\\ny\\"}"', "inner: x\ny"),
        ('"[not json"', "[not json"),
        ('"C:\\\\new\\\\table"', "C:\\new\\table"),
        ('"unfinished', '"unfinished'),
    ],
)
def test_readable(raw, expected):
    assert readable(raw) == expected


def test_a_word_is_found_however_its_value_is_written():
    value = {"lines": "first\nsecond\n\tthird", "name": "Zoë", "inner": json.dumps({"text": "fourth\nfifth"})}
    for raw in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=2), json.dumps(json.dumps(value))):
        assert {"first", "second", "third", "zoe", "fourth", "fifth"} <= set(words(readable(raw)))


def test_whatever_is_within_strings():
    deep = "[" * 100_000
    assert readable(json.dumps(deep)) == deep
    nested: object = "x"
    for _ in range(10):
        nested = json.dumps([nested])
    assert "x" in readable(json.dumps(nested))
    million = "9" * 1_000_000
    assert readable(f'["a", {million}]') == f"a\n{million}"
