"""What the user sees on the terminal while something runs: nothing when output is piped."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from bcsim.common.escape import printable, shortened

__all__ = ["PlainConsole", "errors", "standard_output", "track", "track_bytes", "working"]

T = TypeVar("T")

PIPED_WIDTH = 120
"""Columns where nobody says how many there are: a file or a pipe has room for whole tables."""

LONGEST_TEXT = 1000
"""Characters of one text, such as a cell of a table, beyond which its middle is left out."""


class PlainConsole(Console):
    """A console on which text is only ever text, since most of it comes from files.

    Nothing in it is markup, an emoji's name or a control sequence; what is to have a style is a rich Text.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """The text as it is seen, one line."""
        return super().render_str(printable(shortened(text, LONGEST_TEXT)), **options)


errors = PlainConsole(stderr=True, soft_wrap=True)


def standard_output(*, soft_wrap: bool = False) -> PlainConsole:
    """Standard output, as wide as the terminal or, where it is none, as COLUMNS or PIPED_WIDTH says."""
    console = PlainConsole(soft_wrap=soft_wrap)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED_WIDTH
    return console


def _progress(*columns: ProgressColumn) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )


@contextmanager
def working(description: str) -> Iterator[None]:
    """A moving bar on standard error, where that is a terminal, while something of unknown length runs."""
    with _progress() as progress:
        progress.add_task(description, total=None)
        yield


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """`items` one by one, with a bar on standard error where that is a terminal."""
    length = len(items) if total is None and isinstance(items, Sized) else total
    with _progress(MofNCompleteColumn()) as progress:
        yield from progress.track(items, total=length, description=description)


def track_bytes(blocks: Iterable[bytes], total: int, description: str) -> Iterator[bytes]:
    """`blocks` one by one, with a bar that counts their bytes."""
    with _progress(DownloadColumn()) as progress:
        task = progress.add_task(description, total=total)
        for block in blocks:
            yield block
            progress.advance(task, len(block))
