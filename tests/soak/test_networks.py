"""Random ONNX networks, held to an evaluator that shares nothing with the compiler, at every level.

`make soak` draws thousands and tells all differences at its end. BCSIM_SEED=<seed> draws the networks of one seed
again, and Hypothesis shrinks the first that differs; with BCSIM_SOAK=<number> too, that many from this seed on.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.soak.bounds import Worst, measured, peak
from tests.soak.levels import check
from tests.soak.networks import Case, networks

NETWORKS = 300
SOAKED = int(os.environ.get("BCSIM_SOAK", "10000"))
BATCH = 250


def draw_networks(
    first: int, count: int, folder: Path, backend: str = "portable", differences: list[str] | None = None
) -> Counter[str]:
    """What became of `count` networks of a seed, in words.

    differences : collects what else would be shrunk and raised, so that the networks behind it are drawn too.
    """
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
        try:
            found[measured(lambda: check(case, folder, backend))] += 1
        except Exception as error:
            if differences is None:
                raise
            found["different"] += 1
            differences.append(f"seed {first}: {type(error).__name__}: {error}; {case!r}")

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
    begin, alone = int(wanted or 2), wanted is not None and "BCSIM_SOAK" not in os.environ
    found: Counter[str] = Counter()
    differences: list[str] = []
    for first in [begin] if alone else range(begin, begin + -(-SOAKED // BATCH)):
        begun = time.perf_counter()
        found += draw_networks(first, BATCH, tmp_path, "lookup", None if alone else differences)
        with capsys.disabled():
            print(
                f"seed {first}: {dict(found)}, {Worst.seconds:.1f} s at worst, the process {peak()} MiB, "
                f"{time.perf_counter() - begun:.0f} s",
                *differences,
                sep="\n  ",
                flush=True,
            )
    assert not differences
    assert found["exact"] >= found.total() // 3, found
