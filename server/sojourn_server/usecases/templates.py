"""Templates, and sessions that begin with one."""

from __future__ import annotations

import builtins
from dataclasses import replace

from ..domain.errors import InvalidFieldError, NotFoundError, TooLargeError
from ..domain.limits import Limits
from ..domain.template import Template
from ..ports import ClockPort
from ..ports.templates import TemplateCatalog
from .sessions import NewSession


class Templates:
    """The tenants' templates."""

    def __init__(self, catalog: TemplateCatalog, clock: ClockPort, limits: Limits) -> None:
        self._catalog = catalog
        self._clock = clock
        self._limits = limits

    async def create(self, tenant: str, template: Template, *, replaces: bool) -> tuple[Template, bool]:
        """Stores a template; returns it as it was stored, and whether it took the place of one.

        Raises TemplateExistsError.
        """
        stored = replace(template, created_us=self._clock.seconds() * 1_000_000)
        return stored, await self._catalog.put(tenant, stored, replace=replaces)

    async def get(self, tenant: str, name: str) -> Template:
        """Raises NotFoundError: TEMPLATE_NOT_FOUND."""
        found = await self._catalog.get(tenant, name)
        if found is None:
            raise NotFoundError.template(name)
        return found

    async def list(self, tenant: str, *, after: str, count: int) -> tuple[builtins.list[Template], str | None]:
        """A page of templates by name, and the name to go on after; None at the end."""
        found = await self._catalog.list(tenant, after=after, count=count + 1)
        return found[:count], found[count - 1].name if len(found) > count else None

    async def delete(self, tenant: str, name: str) -> None:
        """Raises NotFoundError: TEMPLATE_NOT_FOUND."""
        if not await self._catalog.delete(tenant, name):
            raise NotFoundError.template(name)

    async def fill(self, tenant: str, name: str, new: NewSession) -> NewSession:
        """What a session begins with that is created from a template: what its creator says wins.

        Args:
            name: the template's; empty for none.
            new: what the creator says; an empty kind asks for the template's.

        Raises:
            NotFoundError: TEMPLATE_NOT_FOUND.
            InvalidFieldError, TooLargeError: both together are more than a session may begin with.
        """
        if not name:
            return new
        template = await self.get(tenant, name)
        filled = replace(
            new,
            kind=new.kind or template.kind or "session",
            project=new.project or template.project,
            purpose=new.purpose or template.purpose,
            tags=tuple(dict.fromkeys((*template.tags, *new.tags))),
            metadata=template.metadata | new.metadata,
            state=template.state | new.state,
            idle_timeout_ms=template.idle_timeout_ms if new.idle_timeout_ms is None else new.idle_timeout_ms,
            max_lifetime_ms=template.max_lifetime_ms if new.max_lifetime_ms is None else new.max_lifetime_ms,
            max_concurrent_requests=new.max_concurrent_requests or template.max_concurrent_requests,
        )
        self._check(filled)
        return filled

    def _check(self, new: NewSession) -> None:
        if len(new.tags) > self._limits.tags:
            raise InvalidFieldError("tags", f"at most {self._limits.tags} tags, the template's among them")
        size = sum(len(key) + len(raw) for part in (new.metadata, new.state) for key, raw in part.items())
        if size > self._limits.write_bytes:
            raise TooLargeError("state", actual=size, limit=self._limits.write_bytes)
