"""Many rows in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.types import TypeEngine

from .rows import Row

Parameters = Sequence[Row] | dict[str, list[Any]]


def insertion(dialect: str, table: Table, rows: Sequence[Row]) -> tuple[Any, Parameters]:
    """A statement that adds rows, which all have the same columns, and its parameters. It may be given an ON CONFLICT.

    SQLite runs a statement for every row at no cost. PostgreSQL's driver would have the server plan each of them: it
    is given a list for every column, so that it is one statement, the same for any number of rows.
    """
    if dialect != "postgresql":
        return sqlite.insert(table), rows
    columns = [table.c[name] for name in rows[0]]
    lists = func.unnest(*(bindparam(one.name, type_=ARRAY(_listed(one))) for one in columns))
    source = lists.table_valued(*(column(one.name, _listed(one)) for one in columns)).render_derived()
    values = (
        cast(source.c[one.name], one.type) if isinstance(one.type, TSVECTOR) else source.c[one.name] for one in columns
    )
    statement = postgresql.insert(table).from_select([one.name for one in columns], select(*values))
    return statement, {one.name: [row[one.name] for row in rows] for one in columns}


def _listed(one: Column[Any]) -> TypeEngine[Any]:
    """The type of a column's values in a list; the server makes them what the column needs."""
    if isinstance(one.type, Integer):
        return BigInteger()
    return LargeBinary() if isinstance(one.type, LargeBinary) else Text()
