# amaranth: UnusedElaboratable=no
"""Adder trees against Python's sum."""

import random
import re

import pytest

from bcsim.rtl.datapath.adder_tree import AdderTree
from tests.rtl.simulation import simulate


@pytest.mark.parametrize("bounds", [[3, 3], [7, 7, 5], [1] * 4, [15] * 5, [510] * 7 + [255], [2] * 9])
def test_the_total_follows_levels_later(bounds):
    generator = random.Random(len(bounds))
    dut = AdderTree(bounds=bounds)
    rows = [bounds] + [[generator.randint(0, bound) for bound in bounds] for _ in range(20)]
    assert dut.levels == {2: 1, 3: 2, 4: 2, 5: 3, 8: 3, 9: 4}[len(bounds)]
    assert len(dut.total) == sum(bounds).bit_length()

    async def script(ctx):
        for cycle in range(len(rows) + dut.levels):
            ctx.set(dut.operands, rows[min(cycle, len(rows) - 1)])
            if cycle >= dut.levels:
                assert ctx.get(dut.total) == sum(rows[cycle - dut.levels])
            await ctx.tick()

    simulate(dut, script)


@pytest.mark.parametrize("bounds", [[], [4, 0]])
def test_bounds_are_checked(bounds):
    message = f"Bounds must be one or more integers of at least 1, not {bounds!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        AdderTree(bounds=bounds)
