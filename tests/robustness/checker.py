"""Checks that hold whatever was killed: what was acknowledged is in the log, and every watcher saw exactly the log.

Writers put a label of their own into each write (`labelled`); the checks go by labels and revisions.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sojourn.v1 import event_pb2

TYPE = "test.label."
END = "end"
"""Label of the last write of a test."""


@dataclass(frozen=True)
class Seen:
    """An event, as far as the checks look."""

    revision: int
    labels: tuple[str, ...] = ()


def labelled(label: str) -> event_pb2.Change:
    """The change that carries a label; with the SDK it is `add_custom(TYPE + label)`."""
    return event_pb2.Change(custom=event_pb2.Custom(type=TYPE + label))


def seen(events: Iterable[Any]) -> list[Seen]:
    """Raw or SDK events as the checks want them."""
    return [Seen(event.revision, tuple(_labels(event.changes))) for event in events]


def _labels(changes: Iterable[Any]) -> Iterable[str]:
    for change in changes:
        name = change.custom.type if isinstance(change, event_pb2.Change) else getattr(change, "type", "")
        if name.startswith(TYPE):
            yield name.removeprefix(TYPE)


def check_log(log: Sequence[Seen]) -> None:
    """Revisions are 1, 2, 3, ...: no gap and no repeat; no label was committed twice."""
    revisions = [event.revision for event in log]
    assert revisions == list(range(1, len(log) + 1)), f"revisions with a gap or a repeat: {_break_in(revisions)}"
    counts = Counter(label for event in log for label in event.labels)
    twice = [label for label, count in counts.items() if count > 1]
    assert not twice, f"committed twice: {twice[:10]}"


def check_acknowledged(acknowledged: Mapping[str, int], log: Sequence[Seen]) -> None:
    """Every acknowledged label is in the log, at the revision that was acknowledged."""
    at = {label: event.revision for event in log for label in event.labels}
    lost = [label for label in acknowledged if label not in at]
    assert not lost, f"{len(lost)} acknowledged writes were lost: {lost[:10]}"
    moved = [(label, revision, at[label]) for label, revision in acknowledged.items() if at[label] != revision]
    assert not moved, f"acknowledged at another revision: {moved[:10]}"


def check_order(acknowledged: Sequence[str], log: Sequence[Seen]) -> None:
    """Writes that one writer made one after the other, each after the acknowledgement of the one before, are in the
    log in that order."""
    at = {label: event.revision for event in log for label in event.labels}
    revisions = [at[label] for label in acknowledged]
    assert revisions == sorted(revisions), f"out of order: {revisions}"


def check_watcher(watched: Sequence[Seen], log: Sequence[Seen], *, after: int = 0, name: str = "the watcher") -> None:
    """The watcher saw exactly the log after a revision: every event once, in order, with the same content."""
    revisions = [event.revision for event in watched]
    expected = [event for event in log if event.revision > after]
    assert revisions == [event.revision for event in expected], (
        f"{name} saw {len(revisions)} events where there are {len(expected)}: {_break_in(revisions)}"
    )
    assert list(watched) == expected, f"{name} saw another content"


def _break_in(revisions: Sequence[int]) -> str:
    for before, now in pairwise(revisions):
        if now != before + 1:
            return f"{before} is followed by {now}"
    return f"from {revisions[0]} to {revisions[-1]}" if revisions else "nothing at all"
