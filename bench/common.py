"""What the benchmarks share: fair timing on a shared machine, and errors told as the command line tells them."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median

from bcsim.common.errors import BcsimError

__all__ = ["interleaved_medians", "run_main", "timing_options"]

# Thread pools (onnxruntime's, OpenBLAS's) go on spinning for a while after a call and would slow the next contender.
REST = 0.5


def interleaved_medians(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of each contender's calls; a first round, for compiling and allocating, does not count.

    clock : `time.process_time` counts the processor's seconds in all threads, which others' work hardly changes.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, call in contenders.items():
            time.sleep(REST)
            start = clock()
            call()
            seconds[name].append(clock() - start)
    return {name: median(times[1:]) for name, times in seconds.items()}


def timing_options(description: str | None) -> argparse.ArgumentParser:
    """A benchmark of PyTorch: its module's docstring, `--threads`, `--rounds` and `--json`."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0] if description else None)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    return parser


def run_main(main: Callable[[], None]) -> None:
    """Run a benchmark; bad input ends in its sentence and exit code 2."""
    try:
        main()
    except BcsimError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
