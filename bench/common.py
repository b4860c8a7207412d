"""Fair timing on a shared machine: every contender once a round, medians over the rounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

__all__ = ["interleaved_medians"]

# Thread pools (onnxruntime's, OpenBLAS's) go on spinning for a while after a call and would slow the next contender.
REST = 0.5


def interleaved_medians(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each contender's calls; a first round, for compiling and allocating, does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, call in contenders.items():
            time.sleep(REST)
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: median(times[1:]) for name, times in seconds.items()}
