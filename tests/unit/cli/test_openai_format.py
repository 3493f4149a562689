"""Conversations to writes and exactly back."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sojourn.cli import json_patch
from sojourn.cli.json_values import MAX_DEPTH, is_storable, value_of
from sojourn.cli.openai_format import PATCH_TYPE, FormatError, messages_of, writes_of
from tests.support.recordings import recorded_lines


def roundtrip(messages):
    return messages_of(writes_of(messages))


def call(call_id="c1", name="search", arguments='{"q":"Oslo"}'):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def asks(*calls, content=None):
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def answers(call_id="c1", content="42", **more):
    return {"role": "tool", "tool_call_id": call_id, "content": content, **more}


def test_a_tool_call_and_its_answer():
    asked, answered = writes_of([asks(call()), answers(content='{"hits":3}', name="search")])
    assert asked.content is None
    assert asked.started[0].invocation_id == "c1"
    assert asked.started[0].tool == "search"
    assert asked.started[0].arguments == {"q": "Oslo"}
    assert answered.tool_name == "search"
    assert answered.finished.invocation_id == "c1"
    assert answered.finished.result == {"hits": 3}
    assert asked.parts == answered.parts == ()


def test_repeated_ids_become_different_invocations():
    messages = [
        asks(call()),
        answers(),
        asks(call()),
        answers(content="43"),
        asks(call(), call()),
        answers(),
        answers(),
    ]
    writes = writes_of(messages)
    started = [one.invocation_id for write in writes for one in write.started]
    assert started == ["c1", "c1~2", "c1~3", "c1~4"]
    assert [write.finished.invocation_id for write in writes if write.finished] == started
    assert all(write.parts == () for write in writes)
    assert messages_of(writes) == messages


def test_an_id_that_looks_like_a_repeat_comes_back():
    messages = [asks(call("c1"), call("c1~2"), call("c1")), answers("c1~2"), answers("c1"), answers("c1")]
    writes = writes_of(messages)
    assert len({one.invocation_id for one in writes[0].started}) == 3
    assert messages_of(writes) == messages


def test_an_answer_nobody_asked_for_finishes_nothing():
    messages = [answers("unknown")]
    assert writes_of(messages)[0].finished is None
    assert roundtrip(messages) == messages


@pytest.mark.parametrize(
    "arguments",
    ['{"a":1}', '{"a": 1}', "{}", "", "not json", '{"a":1,"a":2}', '"text"', "null", "1e999", "NaN", "1.0", "-0.0",
     "1E5", '"\\ud800"', '{"b":2,"a":1}', '"\\u00e9"', '"é"', " 1 ", "9" * 5000, "[" * 40 + "]" * 40, "[" * 100_000],
)  # fmt: skip
def test_argument_texts_come_back_letter_by_letter(arguments):
    messages = [asks(call(arguments=arguments))]
    assert roundtrip(messages) == messages
    assert is_storable(writes_of(messages)[0].started[0].arguments)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": None},
        {"role": "assistant"},
        {"role": "developer", "content": "be brief"},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "user", "content": "hi", "name": "ann"},
        {"role": "assistant", "content": "hi", "refusal": None, "annotations": []},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "assistant", "content": None, "tool_calls": None},
        {"role": "assistant", "tool_calls": [{"id": "x", "type": "custom", "custom": {"name": "grep", "input": "a"}}]},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "", "arguments": {"a": 1}}}, 7]},
        {"role": "user", "content": []},
        {"role": "user", "content": ["text"]},
        {"role": "user", "content": 7},
        {
            "role": "user",
            "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "u"}}],
        },
        {"role": "user", "content": [{"type": PATCH_TYPE, "patch": [{"op": "remove", "path": "/role"}]}]},
        {"role": "tool", "content": None, "tool_call_id": None},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [call("x" * 300), call("a\nb"), call("c", name="n" * 500)],
        },
    ],
)
def test_unusual_messages_come_back(message):
    assert json_patch.same(roundtrip([message]), [message])


def test_parts_keep_their_text_as_content():
    write = writes_of([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}])[0]
    assert write.content == "a\nb"
    assert len(write.parts) == 2


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("text", "message 2: expected an object"),
        ({"content": "x"}, "message 2: role"),
        ({"role": "robot", "content": "x"}, "robot"),
        ({"role": ["user"], "content": "x"}, "role"),
        ({"role": "user", "content": "\ud800"}, "surrogate"),
        ({"role": "user", "content": "x", "extra": {"\ud800": 1}}, "surrogate"),
        ({"role": "user", "content": "x", "extra": float("inf")}, "finite"),
        (asks(call(arguments={"a": float("nan")})), "finite"),
    ],
)
def test_what_is_no_conversation_is_refused(message, expected):
    with pytest.raises(FormatError, match=expected):
        writes_of([{"role": "user", "content": "fine"}, message])


texts = st.text(st.characters(codec="utf-8"), max_size=12)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
ids = st.sampled_from(["c1", "c2", "c1~2", "c1~2~2", "", "x\n"])
argument_texts = anything.map(json.dumps) | texts | anything.map(lambda value: json.dumps(value, indent=1))
calls = st.builds(call, ids, texts, argument_texts) | anything
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool", "developer", "function"])},
    optional={
        "content": st.none() | texts | st.lists(st.fixed_dictionaries({"type": texts, "text": texts})) | anything,
        "tool_calls": st.lists(calls, max_size=3) | anything,
        "tool_call_id": ids | anything,
        "name": texts | anything,
        "audio": anything,
    },
)


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Other tests may have the machine to themselves for a while."""


@unhurried
@given(st.lists(messages, max_size=8))
def test_every_conversation_comes_back(conversation):
    writes = writes_of(conversation)
    assert json_patch.same(messages_of(writes), conversation)
    started = [one.invocation_id for write in writes for one in write.started]
    finished = [write.finished.invocation_id for write in writes if write.finished]
    assert len(set(started)) == len(started)
    assert len(set(finished)) == len(finished)
    assert set(finished) <= set(started)
    assert all(started)


@unhurried
@given(anything)
def test_json_text_is_read_as_its_value(value):
    assert json_patch.same(value_of(json.dumps(value)), value)


def test_nesting_is_bounded():
    assert is_storable(json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH))
    assert not is_storable(json.loads("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)))


def test_recorded_conversations_come_back():
    counts = {"messages": 0, "started": 0, "finished": 0}
    for line in recorded_lines():
        recorded = line["traj"]
        writes = writes_of(recorded)
        assert json_patch.same(messages_of(writes), recorded)
        counts["messages"] += len(writes)
        counts["started"] += sum(len(write.started) for write in writes)
        counts["finished"] += sum(write.finished is not None for write in writes)
    assert counts == {"messages": 2658, "started": 572, "finished": 572}
