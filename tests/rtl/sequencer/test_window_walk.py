# amaranth: UnusedElaboratable=no
"""Addresses and padding of windows against products of counts and strides."""

import random
from dataclasses import replace

import pytest
from amaranth.hdl import Module

from bcsim.machine.parameters import TINY, Machine
from bcsim.machine.records import issue_fields, pack
from bcsim.rtl.common.records import issue_layout
from bcsim.rtl.datapath.padding import Padding
from bcsim.rtl.sequencer.loop import NestedLoops
from bcsim.rtl.sequencer.loop_order import issue_order
from bcsim.rtl.sequencer.window_walk import STRIDES, WindowWalk, window_reads
from tests.rtl.simulation import simulate, ticks

MACHINE = replace(TINY, spatial=True, activation_words=1 << 20)


def random_record(rng: random.Random, machine: Machine) -> dict[str, int]:
    """Few trips of some of the loops; strides of any size, positions around the tensor's edges."""
    record = dict.fromkeys(dict(issue_fields(machine)), 0)
    for name in rng.sample(issue_order(machine).names, rng.randrange(2, 7)):
        record[name] = rng.randrange(1, 4)
    record |= {stride: rng.getrandbits(20) for stride in STRIDES.values() if stride in record}
    if machine.reuse > 1:
        record |= {"short_strip": rng.randrange(record["strip"] + 1), "strip_right": rng.randrange(4)}
    record |= {"origin": rng.getrandbits(20), "pad_level": rng.getrandbits(8)}
    record |= {side: rng.randrange(-3, 2) % 4096 for side in ("top", "left")}
    record |= {side: rng.randrange(1, 9) for side in ("height", "width")}
    record |= {step: rng.randrange(4) for step in ("down", "right", "pool_down", "pool_right")}
    return record


class Walk:
    """A walk with its loops."""

    def __init__(self, machine) -> None:
        layout = issue_layout(machine)
        self.walk = WindowWalk(machine)
        names = issue_order(machine).names
        short = issue_order(machine).short
        self.loops = NestedLoops(widths={name: layout[name].width for name in names}, short=short)
        self.module = Module()
        self.module.submodules.walk, self.module.submodules.loops = self.walk, self.loops
        self.module.d.comb += [
            self.walk.turns.eq(self.loops.turns),
            self.walk.ends.eq(self.loops.ends),
            self.loops.start.eq(self.walk.start),
            self.loops.idle.eq(self.walk.start),
            self.loops.advance.eq(self.walk.advance),
            *(self.loops.counts[name].eq(self.walk.record[name]) for name in names),
            *(self.loops.short_counts[name].eq(self.walk.record[f"short_{name}"]) for name in short),
        ]


@pytest.mark.parametrize(("streams", "reuse"), [(0, 1), (8, 1), (0, 4), (8, 2)])
@pytest.mark.parametrize("digit", [2, 4, 8])
@pytest.mark.parametrize("seed", range(10))
def test_steps_read_where_the_strides_say(seed, digit, streams, reuse):
    rng = random.Random(seed)
    machine = replace(MACHINE, digit=digit, weight_stream_bytes=streams, reuse=reuse)
    bench = Walk(machine)
    walk = bench.walk

    async def script(ctx):
        for _ in range(3):
            record, base = random_record(rng, machine), rng.getrandbits(20)
            record["digits"] %= 8 // digit
            word = walk.record.shape().from_bits(pack(issue_fields(machine), **record))
            ctx.set(walk.record, word)
            ctx.set(walk.base, base)
            ctx.set(walk.start, 1)
            await ctx.tick()
            ctx.set(walk.layer, word)
            ctx.set(walk.base, 0)
            ctx.set(walk.start, 0)
            for address, outside, place in window_reads(record, base):
                await ticks(ctx, rng.choice([0, 0, 1]))
                assert ctx.get(walk.address) == address
                assert ctx.get(walk.pad) == outside
                assert ctx.get(walk.pad_digit) == record["pad_level"] >> place * digit & ((1 << digit) - 1)
                ctx.set(walk.advance, 1)
                await ctx.tick()
                ctx.set(walk.advance, 0)

    simulate(bench.module, script)


def test_padding_comes_two_cycles_behind_its_step():
    machine = replace(MACHINE, lanes=4, digit=2, requantisers=1, pes=1)
    dut, rng = Padding(machine), random.Random(1)

    async def script(ctx):
        steps = [(0, 0), (0, 0)]
        for _ in range(60):
            steps.append((rng.getrandbits(1), rng.getrandbits(2)))
            words = rng.getrandbits(8)
            ctx.set(dut.pad, steps[-1][0])
            ctx.set(dut.digit, steps[-1][1])
            ctx.set(dut.words, words)
            pad, digit = steps[-3]
            assert ctx.get(dut.padded) == (digit * 0b01010101 if pad else words)
            await ctx.tick()

    simulate(dut, script)


def test_the_machine_is_checked():
    for component in (WindowWalk, Padding):
        with pytest.raises(TypeError, match=r"^Machine must be a Machine, not None$"):
            component(None)
