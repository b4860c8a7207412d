"""A command in this process, whatever it is given: success or one sentence, within bounds, nothing half written."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeVar

from typer.testing import CliRunner

from bcsim.cli import app
from bcsim.common.errors import BcsimError
from tests.soak.levels import LONGEST, refused

__all__ = ["Hang", "Worst", "bounded", "call", "command", "measured", "peak"]

T = TypeVar("T")

SECONDS = 20
"""Of processor time, for one command."""
MEMORY = 3 << 30
"""Bytes of address space beyond what the process has."""
GROWTH = 600
"""MiB that one command may take beyond what any did before."""


class Hang(BaseException):
    """A command took more processor time than it may."""


class Worst:
    """The most that a command took: MiB beyond the process' own, seconds of processor time."""

    memory = 0
    seconds = 0.0


@contextmanager
def bounded() -> Iterator[None]:
    """Limits on the memory of this process, and a timer that the block's commands set."""

    def stop(_: int, __: FrameType | None) -> None:
        raise Hang(f"more than {SECONDS} s")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    before = signal.signal(signal.SIGVTALRM, stop)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def command(folder: Path, *arguments: object) -> int:
    """The exit code of a command, held to what holds for every input: 0, or 2 and one sentence.

    folder : where the command may write; a command that is refused leaves nothing in it.
    """
    there, before = sorted(folder.iterdir()), peak()
    spent = _seconds()
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    found = CliRunner().invoke(app, ["--debug", *map(str, arguments)], env={"COLUMNS": "120"})
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    Worst.seconds = max(Worst.seconds, _seconds() - spent)
    Worst.memory = max(Worst.memory, peak() - before)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code in (0, 2), (found.exit_code, found.output[-500:])
    assert peak() - before < GROWTH, f"it took {peak() - before} MiB"
    if found.exit_code:
        told = found.stderr
        if not told and "cannot be compiled" in found.stdout:
            return found.exit_code
        assert told.startswith("bcsim: "), told
        assert told.count("\n") == 1, told
        assert len(told) <= LONGEST + len("bcsim: \n"), told
        assert "not enough memory" not in told, told
        assert sorted(folder.iterdir()) == there, "a refused command left files"
    else:
        assert found.stderr == "", found.stderr
        assert not [path for path in folder.iterdir() if path.name.startswith(".")], (
            "a command left parts of files"
        )
    return found.exit_code


def call(function: Callable[[], object]) -> bool:
    """Whether a function of the package returns, held to the same bounds; a refusal is one short sentence."""
    before, spent, accepted = peak(), _seconds(), True
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        function()
    except BcsimError as error:
        accepted = refused(error) != "refused"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    Worst.seconds = max(Worst.seconds, _seconds() - spent)
    Worst.memory = max(Worst.memory, peak() - before)
    assert peak() - before < GROWTH, f"it took {peak() - before} MiB"
    return accepted


def measured(function: Callable[[], T]) -> T:
    """What a function returns; its processor time counts for the worst."""
    spent = _seconds()
    try:
        return function()
    finally:
        Worst.seconds = max(Worst.seconds, _seconds() - spent)


def peak() -> int:
    """The most memory that the process took, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def _seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
