# amaranth: UnusedElaboratable=no
"""How often the hardware is at work, seen in its own enables, against what is counted (`bcsim/costs/at_work.py`)."""

from collections import Counter
from functools import partial

import numpy as np
import pytest

from bcsim.compiler.mapping.mapping import Mapping
from bcsim.costs.at_work import times_at_work
from bcsim.costs.units import When
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.generate.vectors import weight_words
from bcsim.simulator.simulator import stream_values
from tests.bcsim.costs.small import small_mapping, streamed_mapping, strip_mapping
from tests.programs import random_images
from tests.rtl.bench import Bench, Recording

IMAGES = 2


class Watch(Bench):
    """Counts, cycle by cycle, what is at work."""

    def __init__(self, dut: Accelerator) -> None:
        super().__init__(dut)
        self.times: Counter[When] = Counter()

    def observe(self, ctx, cycle: int, recording: Recording) -> None:
        dut = self.dut
        issue, array, drain = dut._issue, dut._array, dut._drain
        step, searches = ctx.get(issue.step.valid), ctx.get(drain.search)
        pads = ctx.get(issue.pad) if self.machine.spatial else 0
        bit = ctx.get(drain.step)
        self.times[When.STEP] += step
        self.times[When.READ] += step and not pads
        self.times[When.CHUNK] += step and ctx.get(issue.step.last_digit)
        self.times[When.WEIGHT] += ctx.get(issue.weight_enable)
        self.times[When.PASS] += ctx.get(array.tile)
        if ctx.get(array.tile):
            self.times[When.SUM] += 1 + (ctx.get(array.positions) if self.machine.reuse > 1 else 0)
        self.times[When.ROUND] += ctx.get(drain.load)
        self.times[When.BIT] += bit
        self.times[When.QUOTIENT] += bit and not searches
        self.times[When.THRESHOLD] += bit and searches
        self.times[When.PARAMETER] += ctx.get(drain.parameter_enable)


def streamed_words(mapping: Mapping) -> list[tuple[int, bool, int]]:
    """An image's words of the weight stream, (tdata, tlast, gap); none where the machine has no such port."""
    if not mapping.machine.weight_stream_bytes:
        return []
    data, last = weight_words(mapping)
    rows = zip(data, last.tolist(), strict=True)
    return [(int.from_bytes(row.tobytes(), "little"), end, 0) for row, end in rows]


@pytest.mark.parametrize(
    "mapped", [small_mapping, streamed_mapping, strip_mapping, partial(strip_mapping, 2)]
)
def test_units_are_at_work_as_often_as_counted(mapped) -> None:
    mapping: Mapping = mapped()
    images = random_images(np.random.default_rng(0), mapping.program, IMAGES)
    stream = (stream_values(mapping, images) if mapping.machine.spatial else images).tolist()
    weights = streamed_words(mapping) * IMAGES
    bench = Watch(Accelerator(mapping.machine, mapping.image))

    async def script(ctx):
        await bench.play(ctx, stream, IMAGES * (mapping.program.classes + 1), weights=weights)

    bench.run(script)
    expected: Counter[When] = Counter()
    for nest in mapping.nests:
        expected.update({when: IMAGES * times for when, times in times_at_work(nest).items()})
    # Which bits leave a remainder depends on the values; what is counted is the most.
    del expected[When.REMAINDER]
    assert bench.times == expected
