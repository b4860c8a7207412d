"""Progress: on a terminal alone."""

import io

import pytest
from rich.console import Console

from bcsim.common import console


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(console, "errors", Console(file=stream, force_terminal=True, width=100))
    return stream


def test_bars_on_a_terminal(screen: io.StringIO) -> None:
    assert list(console.track([1, 2, 3], "Counting")) == [1, 2, 3]
    assert list(console.track_bytes(iter([b"ab", b"c"]), 3, "Fetching")) == [b"ab", b"c"]
    with console.working("Thinking"):
        pass
    for text in ("Counting", "3/3", "Fetching", "Thinking"):
        assert text in screen.getvalue()


def test_nothing_when_piped(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(console, "errors", Console(file=stream))
    assert list(console.track((x for x in "ab"), "Counting", 2)) == ["a", "b"]
    with console.working("Thinking"):
        pass
    assert stream.getvalue() == ""
