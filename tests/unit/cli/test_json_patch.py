"""The difference of JSON documents: applying it gives the second document."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sojourn.cli import json_patch

keys = st.text(max_size=4) | st.sampled_from(["a/b", "~", "~1", "", "0"])
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Other tests may have the machine to themselves for a while."""


@unhurried
@given(old=documents, new=documents)
def test_applying_the_difference_gives_the_new_document(old, new):
    assert json_patch.same(json_patch.apply(old, json_patch.difference(old, new)), new)


@unhurried
@given(document=documents)
def test_a_document_does_not_differ_from_itself(document):
    assert json_patch.difference(document, document) == []


@unhurried
@given(old=st.dictionaries(keys, documents, max_size=4), new=st.dictionaries(keys, documents, max_size=4))
def test_the_documents_stay_as_they_are(old, new):
    before = repr((old, new))
    json_patch.apply(old, json_patch.difference(old, new))
    assert repr((old, new)) == before


def test_numbers_and_booleans_are_told_apart():
    assert not json_patch.same({"a": 1}, {"a": 1.0})
    assert not json_patch.same([True], [1])
    assert json_patch.difference({"a": 1}, {"a": True}) == [{"op": "replace", "path": "/a", "value": True}]


def test_the_difference_is_small():
    old = {"role": "tool", "call": {"id": "x", "arguments": "{}"}, "gone": 1}
    new = {"role": "tool", "call": {"id": "x", "arguments": "{ }"}, "more": None}
    assert json_patch.difference(old, new) == [
        {"op": "remove", "path": "/gone"},
        {"op": "replace", "path": "/call/arguments", "value": "{ }"},
        {"op": "add", "path": "/more", "value": None},
    ]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/absent", "value": 1},
        {"op": "remove", "path": "/absent"},
        {"op": "replace", "path": "/list/7", "value": 1},
        {"op": "replace", "path": "/list/x", "value": 1},
        {"op": "add", "path": "/list/0/deeper", "value": 1},
        {"op": "move", "path": "/list", "from": "/other"},
        {"op": "add", "path": "/other"},
    ],
)
def test_an_operation_that_does_not_fit_is_refused(operation):
    with pytest.raises(ValueError, match=r"document|cannot|literal"):
        json_patch.apply({"list": [1]}, [operation])
