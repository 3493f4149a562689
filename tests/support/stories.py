"""Sessions told event by event, without an active store: what the projector would bring into a catalog."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.domain import details as dt
from sojourn_server.domain.changes import ChangeKind, InvocationStatus, MessageRole, kind_mask
from sojourn_server.domain.events import StoredEvent
from sojourn_server.domain.session import Session, SessionKey, StepStatus
from sojourn_server.ports.catalog import Projection
from sojourn_server.ports.outbox import Standing

BEGAN_US = 1_700_000_000_000_000
TENANT = "t"
_MOMENTS = itertools.count(BEGAN_US, 1_000_000)
_KINDS = {
    dt.MessageDetail: ChangeKind.MESSAGE_APPENDED, dt.StartDetail: ChangeKind.INVOCATION_STARTED,
    dt.FinishDetail: ChangeKind.INVOCATION_FINISHED, dt.StepDetail: ChangeKind.STEP_FINISHED,
    dt.ArtifactDetail: ChangeKind.ARTIFACT_ATTACHED, dt.LogDetail: ChangeKind.LOG_APPENDED,
    dt.PurposeDetail: ChangeKind.INFO_UPDATED,
}  # fmt: skip


class Story:
    """A session with its log. It begins with its creation; `begins_with` are fields of Session."""

    def __init__(self, session_id: str = "s", *, tenant: str = TENANT, **begins_with: object) -> None:
        us = next(_MOMENTS)
        start = {"created_us": us, "updated_us": us} | begins_with
        self.session = Session(session_id, secrets.token_hex(8), "00000000000000aa", **start)  # type: ignore[arg-type]
        self.tenant = tenant
        self.events: list[StoredEvent] = []
        self.details: list[Sequence[dt.Detail]] = []
        self.add(
            *([dt.PurposeDetail(self.session.purpose)] if self.session.purpose else []), kind=ChangeKind.SESSION_CREATED
        )

    @property
    def key(self) -> SessionKey:
        return SessionKey(self.tenant, self.session.id)

    def add(self, *details: dt.Detail, kind: ChangeKind = ChangeKind.CUSTOM, **becomes: object) -> Story:
        """One event; `becomes` are fields of the session that it changes."""
        session = self.session
        session.revision += 1
        session.updated_us = session.created_us + session.revision * 1000
        for name, value in becomes.items():
            setattr(session, name, value)
        mask = kind_mask([kind, *(_KINDS[type(detail)] for detail in details)])
        body = f"{session.uid} {session.revision} ".encode() + secrets.token_bytes(8)
        self.events.append(
            StoredEvent(
                session.id, session.uid, session.incarnation, session.revision, session.updated_us, 0, mask, body
            )
        )
        self.details.append(details)
        return self

    def says(self, text: str, role: MessageRole = MessageRole.USER) -> Story:
        """An event with a message."""
        return self.add(dt.MessageDetail(role, text))

    def projection(self, after: int = 0, to: int | None = None) -> Projection:
        """What the projector would bring that knows the catalog's revision to be `after`, at the moment of `to`."""
        to = self.session.revision if to is None else to
        head = replace(self.session, revision=to)
        return Projection(self.tenant, head, self.events[after:to], self.details[after:to])


class Active:
    """The active store, so far as a catalog looks at it: the sessions that are there, and those deleted last."""

    def __init__(self, *stories: Story) -> None:
        self._there: dict[SessionKey, str] = {}
        self._deleted: dict[SessionKey, str] = {}
        for story in stories:
            self.put(story)

    def put(self, story: Story) -> None:
        self._there[story.key] = story.session.uid
        self._deleted.pop(story.key, None)

    def delete(self, story: Story) -> None:
        self._deleted[story.key] = self._there.pop(story.key)

    def lose(self, story: Story) -> None:
        """It is gone without having been deleted."""
        del self._there[story.key]

    async def standings(self, keys: Sequence[SessionKey]) -> list[Standing]:
        return [Standing(self._there.get(key, ""), self._deleted.get(key, "")) for key in keys]


async def tell(catalog: SqlCatalog, *stories: Story) -> None:
    """Brings sessions into the catalog as they are."""
    await catalog.project([story.projection() for story in stories], Active(*stories).standings)


def started(invocation_id: str, tool: str = "tool", arguments: str | None = None) -> dt.StartDetail:
    return dt.StartDetail(invocation_id, tool, arguments, request_id="r1")


def finished(
    invocation_id: str, tool: str = "tool", result: str | None = None, *,
    status: InvocationStatus = InvocationStatus.SUCCEEDED, error: str = "", duration_us: int | None = None,
) -> dt.FinishDetail:  # fmt: skip
    return dt.FinishDetail(invocation_id, tool, status, result, error, duration_us, 7)


def step(name: str, run: int = 1, status: StepStatus = StepStatus.PASSED, output: str | None = None) -> dt.StepDetail:
    return dt.StepDetail(name, run, status, 5, output)


def ids(sessions: Iterable[Session]) -> list[str]:
    return [session.id for session in sessions]
