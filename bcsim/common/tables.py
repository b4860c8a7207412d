"""Tables of the terminal in which nothing is ever cut: what is too wide for a column goes on below."""

from __future__ import annotations

from rich.table import Table

__all__ = ["new_table"]


def new_table(title: str, *headings: str, text: int = 1, header: bool = True) -> Table:
    """An empty table whose first `text` columns are text and whose others are numbers."""
    table = Table(title=title, title_justify="left", show_header=header)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="left" if index < text else "right", overflow="fold")
    return table
