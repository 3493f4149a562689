"""Tables without columns that would be empty."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text


def filled_table(
    columns: Mapping[str, Sequence[Text]], *, whole: Collection[str] = (), right: Collection[str] = ()
) -> Table:
    """A table of the columns that say something.

    Those in `whole` keep their width on a narrow terminal, for what is there to be copied; those in `right` are
    aligned there.
    """
    told = {name: cells for name, cells in columns.items() if any(cell.plain.strip() for cell in cells)}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in told:
        justify = "right" if name in right else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name in whole)  # type: ignore[arg-type]
    for row in zip(*told.values(), strict=True):
        table.add_row(*row)
    return table
