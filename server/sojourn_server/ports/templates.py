"""The port of templates. Every method may raise CatalogUnavailableError: nothing happened, and it may be repeated."""

from __future__ import annotations

from typing import Protocol

from ..domain.template import Template


class TemplateCatalog(Protocol):
    """The templates of tenants, by name."""

    async def put(self, tenant: str, template: Template, *, replace: bool) -> bool:
        """Stores a template; returns whether it took the place of one.

        Raises:
            TemplateExistsError: there is one of this name and `replace` is off.
        """
        ...

    async def get(self, tenant: str, name: str) -> Template | None:
        """A template; None when there is none of this name."""
        ...

    async def list(self, tenant: str, *, after: str, count: int) -> list[Template]:
        """Templates by name, strictly after one."""
        ...

    async def delete(self, tenant: str, name: str) -> bool:
        """Removes a template; whether there was one."""
        ...
