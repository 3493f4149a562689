"""Templates as rows: the TemplateCatalog port."""

from __future__ import annotations

import builtins
import json
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from ..domain.errors import TemplateExistsError
from ..domain.template import Template
from . import tables as t
from .engine import reading, writing
from .finishing import Finishing, finished
from .inserting import insertion

c = t.templates.c


class SqlTemplates:
    """The contract of each method is `ports.templates.TemplateCatalog`'s. Shares the engine and the end of a
    SqlCatalog."""

    def __init__(self, engine: AsyncEngine, finishing: Finishing) -> None:
        self._engine = engine
        self.finishing = finishing

    @finished
    async def put(self, tenant: str, template: Template, *, replace: bool) -> bool:
        row = {"tenant": tenant, "name": template.name, "created_us": template.created_us, "body": _body(template)}
        async with writing(self._engine) as connection:
            statement, rows = insertion(connection.dialect.name, t.templates, [row])
            added = await connection.execute(statement.on_conflict_do_nothing(), rows)
            if added.rowcount:
                return False
            if not replace:
                raise TemplateExistsError(template.name)
            await connection.execute(update(t.templates).where(*_named(tenant, template.name)).values(row))
        return True

    @finished
    async def get(self, tenant: str, name: str) -> Template | None:
        async with reading(self._engine) as connection:
            row = (await connection.execute(select(t.templates).where(*_named(tenant, name)))).one_or_none()
        return None if row is None else _template(row)

    @finished
    async def list(self, tenant: str, *, after: str, count: int) -> builtins.list[Template]:
        query = select(t.templates).where(c.tenant == tenant, c.name > after).order_by(c.name).limit(count)
        async with reading(self._engine) as connection:
            return [_template(row) for row in await connection.execute(query)]

    @finished
    async def delete(self, tenant: str, name: str) -> bool:
        async with writing(self._engine) as connection:
            gone = await connection.execute(delete(t.templates).where(*_named(tenant, name)))
        return bool(gone.rowcount)


def _named(tenant: str, name: str) -> tuple[Any, Any]:
    return c.tenant == tenant, c.name == name


def _body(template: Template) -> bytes:
    """As JSON; what is empty is left out."""
    found: dict[str, Any] = {
        "description": template.description,
        "kind": template.kind,
        "project": template.project,
        "purpose": template.purpose,
        "tags": template.tags,
        "metadata": {key: raw.decode() for key, raw in template.metadata.items()},
        "state": {key: raw.decode() for key, raw in template.state.items()},
        "maxreq": template.max_concurrent_requests,
    }
    found = {name: value for name, value in found.items() if value}
    times = {"idle": template.idle_timeout_ms, "life": template.max_lifetime_ms}
    found |= {name: ms for name, ms in times.items() if ms is not None}
    return json.dumps(found, separators=(",", ":")).encode()


def _template(row: Any) -> Template:
    found = json.loads(row.body)
    return Template(
        row.name,
        found.get("description", ""),
        found.get("kind", ""),
        found.get("project", ""),
        found.get("purpose", ""),
        tuple(found.get("tags", ())),
        {key: value.encode() for key, value in found.get("metadata", {}).items()},
        {key: value.encode() for key, value in found.get("state", {}).items()},
        found.get("idle"),
        found.get("life"),
        found.get("maxreq", 0),
        row.created_us,
    )
