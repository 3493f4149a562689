"""Histories from outside: what no store would have written is refused, and what it would have is the same session."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn_server.domain import changes as ch
from sojourn_server.domain.credible import CredibleHistory
from sojourn_server.domain.errors import FileInvalidError
from sojourn_server.domain.heads import head_fields, size_of
from sojourn_server.domain.session import SessionStatus
from tests.support.changes import caller_changes, creations

CREATED = ch.SessionCreated(uid="00000000000000aa", state={"n": b"1", "t": b'"x"'})
SAYS = ch.MessageAppended(ch.MessageRole.USER)
ENDED = ch.StatusChanged(SessionStatus.COMPLETED)
RESUMED = ch.StatusChanged(SessionStatus.ACTIVE)


def history(*events, limit=1000):
    found = CredibleHistory("s", latest_us=1_000_000, max_state_bytes=limit)
    for revision, changes in enumerate(events, 1):
        found.add(revision, revision * 1000, changes)
    return found


@pytest.mark.parametrize(
    ("problem", "events"),
    [
        ("content", [[SAYS]]),
        ("content", [[CREATED], [CREATED]]),
        ("content", [[SAYS, CREATED]]),
        ("content", [[CREATED], []]),
        ("status", [[CREATED], [ENDED], [SAYS]]),
        ("status", [[CREATED], [ENDED, SAYS]]),
        ("status", [[CREATED], [ENDED], [ENDED]]),
        ("status", [[CREATED], [RESUMED]]),
        ("content", [[CREATED], [ch.StateIncremented("t", 1)]]),
        ("content", [[CREATED], [ch.StateIncremented("n", 2**63 - 1)]]),
        ("limit", [[CREATED], [ch.StateSet({"a": b"1" * 1000})]]),
        ("limit", [[CREATED], [ch.InvocationStarted("i", "t" * 1000)]]),
        ("limit", [[CREATED], [ch.RequestQueued(str(i)) for i in range(10_001)]]),
    ],
)
def test_what_no_store_would_have_written_is_refused(problem, events):
    with pytest.raises(FileInvalidError) as refused:
        history(*events)
    assert refused.value.metadata["problem"] == problem
    assert f"event {len(events)}" in refused.value.message


@pytest.mark.parametrize("revision", [1, 3, 0, -1])
def test_revisions_come_one_after_the_other(revision):
    found = history([CREATED])
    with pytest.raises(FileInvalidError, match="revision 2"):
        found.add(revision, 2000, [SAYS])


@pytest.mark.parametrize("commit_us", [999, 0, -1, 1_000_001])
def test_time_neither_goes_back_nor_ahead_of_ours(commit_us):
    found = history([CREATED])
    with pytest.raises(FileInvalidError) as refused:
        found.add(2, commit_us, [SAYS])
    assert refused.value.metadata["problem"] == "time"


def test_a_session_that_was_resumed_goes_on():
    folded = history([CREATED], [ENDED], [ch.InfoUpdated(purpose="p")], [RESUMED], [SAYS]).folded
    assert (folded.session.status, folded.session.revision) == (SessionStatus.ACTIVE, 5)


def test_an_increment_that_the_same_write_overrides_does_not_matter():
    set_later = [ch.StateIncremented("t", 1), ch.StateSet({"t": b"5"}), ch.StateIncremented("t", 1)]
    assert history([CREATED], set_later).folded.session.state["t"] == b"6"


def test_what_goes_makes_room():
    big = ch.StateSet({"a": b"1" * 900})
    assert history([CREATED], [big], [ch.StateDeleted(("a",))], [ch.ResultSet("r", b"1" * 900)]).revision == 4


@given(creation=creations, events=st.lists(st.lists(caller_changes, min_size=1, max_size=6), max_size=12))
def test_sizes_are_counted_as_the_store_counts_them(creation, events):
    found = CredibleHistory("s", latest_us=1_000_000, max_state_bytes=1 << 30)
    found.add(1, 1, [creation])
    for changes in events:
        before = found.revision
        try:
            found.add(before + 1, before + 1, changes)
        except FileInvalidError:
            break
    else:
        assert found._bytes == size_of(head_fields(found.folded))
