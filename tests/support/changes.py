"""Random changes for hypothesis, small enough that they meet the same keys again and again."""

from hypothesis import strategies as st

from sojourn_server.domain import changes as ch
from sojourn_server.domain.session import SessionStatus, StepStatus

INT64_MAX = 2**63 - 1

names = st.sampled_from(["a", "b", "ü", "s:a", "rev", "x" * 40])
json_values = st.sampled_from([b"0", b"7", b"-3", b"1.5", b'"1"', b"null", b"{}", b"-0", b"9" * 25, b"%d" % INT64_MAX])
usages = st.none() | st.builds(
    ch.Usage,
    st.integers(0, 5), st.integers(0, 5), st.integers(0, 9), st.integers(0, 1 << 50),
)  # fmt: skip
tags = st.lists(names, max_size=3).map(tuple)
value_maps = st.dictionaries(names, json_values, max_size=3)
deltas = st.integers(-3, 3) | st.sampled_from([INT64_MAX, -INT64_MAX - 1])

caller_changes = st.one_of(
    st.builds(ch.StateSet, st.dictionaries(names, json_values, min_size=1, max_size=3)),
    st.builds(ch.StateDeleted, st.lists(names, min_size=1, max_size=3).map(tuple)),
    st.builds(ch.StateIncremented, names, deltas),
    st.builds(ch.MessageAppended, st.sampled_from(ch.MessageRole), usage=usages),
    st.builds(ch.InvocationStarted, names, names),
    st.builds(ch.InvocationFinished, names, st.sampled_from(ch.InvocationStatus), usages),
    st.builds(
        ch.StepFinished, names, st.integers(1, 9), st.sampled_from(StepStatus), st.none() | st.integers(0, 10**12)
    ),
    st.builds(ch.ResultSet, names, json_values),
    st.builds(ch.ArtifactAttached, names, st.integers(0, 3)),
    st.builds(ch.LogAppended),
    st.builds(ch.InfoUpdated, st.none() | st.just("") | names, tags, tags, value_maps, tags),
    st.builds(ch.Custom, names),
)
status_changes = st.builds(ch.StatusChanged, st.sampled_from(SessionStatus), st.just("") | names)
server_changes = st.one_of(
    st.builds(ch.Forked, uid=st.just("00000000000000bb"), parent_id=names, parent_revision=st.integers(1, 9)),
    st.builds(ch.Restored, st.integers(1, 9)),
    st.builds(ch.RequestLost, names),
)
histories = st.lists(st.lists(caller_changes | status_changes | server_changes, min_size=1, max_size=6), max_size=12)
writes = st.lists(st.lists(caller_changes | status_changes, min_size=1, max_size=6), max_size=12)
creations = st.builds(
    ch.SessionCreated,
    uid=st.just("00000000000000aa"), session_kind=st.sampled_from(["session", "qa"]),
    user_id=names | st.just(""), project=names | st.just(""), purpose=names | st.just(""), parent=st.just("") | names,
    tags=tags, metadata=value_maps, state=value_maps, idle_timeout_ms=st.integers(0, 3) | st.just(60_000),
    max_lifetime_ms=st.just(0) | st.just(90_000), max_concurrent_requests=st.integers(0, 2),
)  # fmt: skip
