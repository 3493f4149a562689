"""Methods of the client that are about many sessions: statistics, comparisons, templates, cleaning up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Literal, Unpack

from . import _paging
from ._core import Core
from ._filters import SessionConditions
from ._transport import insight, render_search, tiers
from ._transport import templates as rendered
from .comparison import Comparison
from .config import Seconds
from .diagnosis import Diagnosis
from .enums import CleanupAction
from .statistics import StatisticsReport
from .templates import Template
from .tiers import CleanupProgress


class Connected:
    """What has a connection."""

    def _live(self) -> Core:
        raise NotImplementedError


class InsightMethods(Connected):
    """Statistics and comparisons."""

    async def statistics(
        self,
        *,
        period: Seconds | None = None,
        group_by: Literal["user", "project"] | None = None,
        **conditions: Unpack[SessionConditions],
    ) -> StatisticsReport:
        """The sessions that match every condition given, summed up; it may be a few seconds behind.

            report = await client.statistics(project="shop", period=timedelta(days=1))
            for day in report.buckets:
                print(day.begin, day.statistics.sessions, day.statistics.usage.cost)

        Args:
            period: split by time of creation, in periods of this length (at least an hour) since the epoch.
            group_by: split by `user` or `project`, too.
            conditions: those of `list_sessions`.

        Raises InvalidFieldError, TooLargeError (more than 10,000 buckets: ask for fewer) and CatalogUnavailableError.
        """
        core = self._live()
        request = insight.statistics_request(render_search.session_filter(**conditions), period, group_by)
        return await core.call(lambda timeout: core.calls.insight.all(request, timeout))

    async def compare(self, baseline_id: str, session_id: str) -> Comparison:
        """What differs between a session and its baseline: outcomes of steps, results, state, use of tools, cost.

            found = await client.compare("run-41", "run-42")
            print([step.name for step in found.regressions])

        Raises SessionNotFoundError (SessionDeletedError), TooLargeError and CatalogUnavailableError.
        """
        core = self._live()
        return await core.call(lambda timeout: core.calls.insight.compare(baseline_id, session_id, timeout))


class TemplateMethods(Connected):
    """Templates: what new sessions of a kind begin with."""

    async def create_template(
        self,
        name: str,
        *,
        description: str = "",
        kind: str = "",
        project: str = "",
        purpose: str = "",
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None,
        idle_timeout: Seconds | None = None,
        max_lifetime: Seconds | None = None,
        max_concurrent_requests: int = 0,
        replace: bool = False,
    ) -> Template:
        """Store what sessions begin with that are made by `create_session(template=name)`.

        Args:
            name: 1 to 64 letters, digits and `. _ -`, beginning with a letter or digit.
            description: what it is for, for people.
            replace: take the place of one with this name; sessions made from that stay as they are.

        The rest is as for `create_session`, whose arguments win: tags are added, metadata and state are merged key by
        key.

        Raises TemplateAlreadyExistsError, InvalidRequestError and CatalogUnavailableError.
        """
        core = self._live()
        request = rendered.create_request(
            name=name,
            description=description,
            kind=kind,
            project=project,
            purpose=purpose,
            tags=tags,
            metadata=metadata,
            state=state,
            idle_timeout=idle_timeout,
            max_lifetime=max_lifetime,
            max_concurrent_requests=max_concurrent_requests,
            replace=replace,
        )
        return await core.call(lambda timeout: core.calls.templates.create(request, timeout))

    async def get_template(self, name: str) -> Template:
        """A template. Raises TemplateNotFoundError and CatalogUnavailableError."""
        core = self._live()
        return await core.call(lambda timeout: core.calls.templates.get(name, timeout))

    def templates(self, *, limit: int | None = None) -> AsyncIterator[Template]:
        """The templates by name, at most `limit` of them, read page by page."""
        core = self._live()

        async def fetch(page_size: int, page_token: str) -> tuple[list[Template], str]:
            return await core.call(lambda timeout: core.calls.templates.list(page_size, page_token, timeout))

        return _paging.paged(fetch, limit)

    async def delete_template(self, name: str) -> None:
        """Remove a template; sessions made from it stay. Raises TemplateNotFoundError and CatalogUnavailableError."""
        core = self._live()
        await core.call(lambda timeout: core.calls.templates.delete(name, timeout))


class CleanupMethods(Connected):
    """Cleaning up, and looking whether all is well."""

    async def diagnose(self) -> Diagnosis:
        """Checks of what the server runs on (engine, catalog, blob store, clocks, settings): what is wrong, what to do.

        A check that cannot be made has failed; the call does not fail because of it.
        """
        core = self._live()
        return await core.call(core.calls.diagnosis.diagnose)

    def cleanup(
        self,
        *,
        older_than: Seconds | None = None,
        keep_newest: int | None = None,
        action: CleanupAction | str = CleanupAction.DELETE,
        dry_run: bool = False,
        **conditions: Unpack[SessionConditions],
    ) -> AsyncIterator[CleanupProgress]:
        """Delete, end or archive many sessions while it is iterated; how far it is, the last with `done`.

            async for progress in client.cleanup(project="ci", older_than=timedelta(days=30), keep_newest=100):
                print(progress.cleaned, "of", progress.selected)

        At least one of `older_than`, `keep_newest` and a condition must be given. Sessions with a live request are
        never touched. To leave the iteration stops the cleanup; what was done stays.

        Args:
            older_than: only sessions whose last write is at least so long ago.
            keep_newest: of those selected, keep so many that were written to last.
            action: `delete` them with everything of theirs, `abandon` those that are active, or `archive` those that
                have ended: they leave the active store now.
            dry_run: only say what would be done.
            conditions: those of `list_sessions`.

        Raises, from the iteration, InvalidFieldError and CatalogUnavailableError.
        """
        request = tiers.cleanup_request(
            render_search.session_filter(**conditions),
            older_than=older_than,
            keep_newest=keep_newest,
            action=action,
            dry_run=dry_run,
        )
        return self._live().calls.tiers.cleanup(request)
