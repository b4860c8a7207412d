# amaranth: UnusedElaboratable=no
"""The record reader: the next record two cycles after each one is taken."""

import random

import pytest
from amaranth.sim import Simulator

from bcsim.rtl.common.record_reader import RecordReader


@pytest.mark.parametrize("layers", [1, 2, 3, 5, 8])
def test_records_follow_each_other_and_wrap_after_the_last(layers):
    dut = RecordReader(layers=layers)
    rng = random.Random(layers)
    taken = []

    async def bench(ctx):
        pipeline, since = [None, None], 0
        for _ in range(80):
            assert ctx.get(dut.ready) == (pipeline[0] is not None)
            take = bool(ctx.get(dut.ready)) and since >= 1 and rng.random() < 0.7
            if take:
                taken.append(pipeline[0])
            ctx.set(dut.take, int(take))
            ctx.set(dut.last, int(pipeline[0] == layers - 1))
            since = 0 if take else since + 1
            pipeline = [pipeline[1], ctx.get(dut.address)]
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert len(taken) > 15
    assert taken == [index % layers for index in range(len(taken))]


def test_layers_are_checked():
    with pytest.raises(ValueError, match=r"^Layers must be at least 1, not -1$"):
        RecordReader(layers=-1)
