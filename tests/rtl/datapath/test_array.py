# amaranth: UnusedElaboratable=no
"""The array: every tile's accumulators, in the rounds and cycles of docs/machine.md."""

import random
from dataclasses import replace

import pytest

from bcsim.machine.latency import pipeline_stages, round_cycles, shadow_latency
from bcsim.machine.parameters import PRESETS
from bcsim.rtl.datapath.array import Array
from bcsim.rtl.datapath.processing_element import tile_sum
from bcsim.rtl.datapath.round_selector import RoundSelector
from tests.rtl.simulation import simulate

MACHINES = [
    replace(PRESETS["tiny"], **parameters)
    for parameters in (
        {"lanes": 2, "pes": 2, "requantisers": 2, "digit": 8, "accumulator_bits": 10},
        {"lanes": 6, "pes": 3, "requantisers": 1, "digit": 1, "activation_bits": 1},
        {"lanes": 8, "pes": 8, "requantisers": 2, "digit": 4, "shift_planes": True},
        {"lanes": 16, "pes": 4, "requantisers": 4, "digit": 2, "activation_bits": 5},
        {"lanes": 4, "pes": 4, "requantisers": 2, "digit": 4, "pipeline_registers": 1},
        {"lanes": 10, "pes": 2, "requantisers": 2, "digit": 1, "pipeline_registers": 4},
    )
]


def random_tiles(generator, machine, count):
    """Tiles as lists of (digit words, weight word, double)."""
    digits = -(-machine.activation_bits // machine.digit)
    return [
        [
            (
                [generator.getrandbits(machine.lanes * machine.digit) for _ in range(digits)],
                generator.getrandbits(machine.lanes * machine.pes),
                index > 0 and generator.random() < 0.3,
            )
            for index in range(generator.randint(1, 3))
        ]
        for _ in range(count)
    ]


def schedule(generator, machine, tiles, interval):
    """(cycle, word, weights, flags) of every step, no tile's last one sooner than its drain allows; a tile's
    last cycle for each tile."""
    steps, ends, cycle = [], [], 0
    for tile in tiles:
        for index, (words, weights, double) in enumerate(tile):
            for position, word in enumerate(words):
                last_digit = position == len(words) - 1
                last = last_digit and index == len(tile) - 1
                if last and ends:
                    cycle = max(cycle, ends[-1] + machine.pes // machine.requantisers * interval)
                steps.append(
                    (
                        cycle,
                        word,
                        weights,
                        {"valid": 1, "last_digit": last_digit, "double": double, "last": last},
                    )
                )
                cycle += 1 + generator.choice((0, 0, 1))
        ends.append(steps[-1][0])
    return steps, ends


@pytest.mark.parametrize("search", [False, True], ids=["divide", "search"])
@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.lanes}x{m.pes}x{m.digit}")
def test_rounds_show_the_accumulators_of_each_tile(machine, search):
    interval = round_cycles(1, search)
    generator = random.Random(machine.lanes)
    tiles = random_tiles(generator, machine, 8)
    steps, ends = schedule(generator, machine, tiles, interval)
    issued = {cycle: rest for cycle, *rest in steps}
    rounds = machine.pes // machine.requantisers
    starts = {end + shadow_latency(machine): tile for end, tile in zip(ends, tiles, strict=True)}
    shown = {
        start + k * interval: [
            element_sum(machine, tile, k * machine.requantisers + r) for r in range(machine.requantisers)
        ]
        for start, tile in starts.items()
        for k in range(rounds)
    }
    dut = Array(machine)
    behind = 3 + pipeline_stages(machine)[0]

    async def script(ctx):
        for cycle in range(max(shown) + interval):
            word, _, flags = issued.get(cycle - 2, (generator.getrandbits(4), None, {"valid": 0}))
            ctx.set(dut.activation, word)
            ctx.set(dut.step, {"valid": 0, "last_digit": 1, "double": 1, "last": 1} | flags)
            _, weights, _ = issued.get(cycle - behind, (None, generator.getrandbits(4), None))
            ctx.set(dut.weights, weights)
            ctx.set(dut.shift, int(cycle + 2 in shown))
            assert ctx.get(dut.tile) == (cycle + 2 in starts)
            begun = max((first for first in shown if first <= cycle < first + interval), default=None)
            if begun is not None:
                assert [ctx.get(drained) for drained in dut.drained] == shown[begun]
            await ctx.tick()

    simulate(dut, script)


def element_sum(machine, tile, element):
    """What `tile` leaves in a processing element."""
    mask = (1 << machine.lanes) - 1
    return tile_sum(
        [
            (words, weights >> element * machine.lanes & mask, double and machine.shift_planes)
            for words, weights, double in tile
        ],
        lanes=machine.lanes,
        digit=machine.digit,
        width=machine.accumulator_bits,
    )


def test_parameters_are_checked():
    with pytest.raises(TypeError, match=r"^Machine must be a Machine, not 'tiny'$"):
        Array("tiny")
    with pytest.raises(ValueError, match=r"^Elements must be a multiple of requantisers \(2\), not 3$"):
        RoundSelector(elements=3, requantisers=2, width=8)
    with pytest.raises(ValueError, match=r"^Requantisers must be at least 1, not 0$"):
        RoundSelector(elements=3, requantisers=0, width=8)
