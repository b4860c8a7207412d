"""Random ONNX networks, held to an evaluator that shares nothing with the compiler, at every level.

`make soak` draws thousands. A failure is shrunk by Hypothesis and names its seed; BCSIM_SEED=<seed> draws those
networks again, BCSIM_SOAK=<number> that many.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.soak.levels import check
from tests.soak.networks import Case, networks

NETWORKS = 300
SOAKED = int(os.environ.get("BCSIM_SOAK", "10000"))
BATCH = 250


def draw_networks(first: int, count: int, folder: Path, backend: str = "portable") -> Counter[str]:
    """What became of `count` networks of a seed, in words."""
    found: Counter[str] = Counter()

    @seed(first)
    @settings(
        max_examples=count,
        deadline=None,
        derandomize=False,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(networks())
    def hold(case: Case) -> None:
        found[check(case, folder, backend)] += 1

    try:
        hold()
    except BaseException as error:
        error.add_note(f"replay with BCSIM_SEED={first}")
        raise
    return found


def test_random_networks_equal_what_their_files_say(tmp_path: Path) -> None:
    found = draw_networks(int(os.environ.get("BCSIM_SEED", "1")), NETWORKS, tmp_path)
    assert found["exact"] >= NETWORKS // 3, found
    assert found.total() >= NETWORKS, found


@pytest.mark.soak
def test_thousands_of_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = os.environ.get("BCSIM_SEED")
    seeds = [int(wanted)] if wanted else range(2, 2 + -(-SOAKED // BATCH))
    found: Counter[str] = Counter()
    for first in seeds:
        begun = time.perf_counter()
        found += draw_networks(first, BATCH, tmp_path, "lookup")
        with capsys.disabled():
            print(f"seed {first}: {dict(found)}, {time.perf_counter() - begun:.0f} s", flush=True)
    assert found["exact"] >= found.total() // 3, found
