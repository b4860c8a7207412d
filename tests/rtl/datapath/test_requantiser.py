# amaranth: UnusedElaboratable=no
"""A requantiser, round after round, against floor division and counting."""

import random
from dataclasses import dataclass, replace

import pytest

from bcsim.machine.latency import round_cycles
from bcsim.machine.parameters import PRESETS
from bcsim.rtl.datapath.requantiser import Requantiser, divide, search
from tests.rtl.simulation import simulate

MACHINES = [
    replace(PRESETS["tiny"], **parameters)
    for parameters in (
        {"accumulator_bits": 12, "fraction_bits": 0, "digit": 4, "activation_bits": 4},
        {"accumulator_bits": 20, "fraction_bits": 16, "digit": 1, "activation_bits": 8},
        {"accumulator_bits": 8, "fraction_bits": 5, "digit": 4, "activation_bits": 8},
        {"accumulator_bits": 11, "fraction_bits": 7, "digit": 4, "activation_bits": 8, "divide_cycles": 2},
    )
]


@dataclass(frozen=True)
class Division:
    """A round of a divided layer: offset T and divisor D, not shifted."""

    accumulator: int
    bits: int
    offset: int
    divisor: int
    fraction_bits: int

    @property
    def is_search(self) -> bool:
        return False

    @property
    def expected(self) -> int:
        return divide(
            self.accumulator, self.offset, self.divisor, bits=self.bits, fraction_bits=self.fraction_bits
        )

    def subtrahend(self, bit: int, candidate: int) -> int:
        shifted = self.divisor << self.bits - 1
        return self.offset + shifted if bit == self.bits - 1 else shifted


@dataclass(frozen=True)
class Lookup:
    """A round of a searched layer."""

    accumulator: int
    bits: int
    thresholds: tuple[int, ...]
    fraction_bits: int

    @property
    def is_search(self) -> bool:
        return True

    @property
    def expected(self) -> int:
        return search(self.accumulator, self.thresholds)

    def subtrahend(self, bit: int, candidate: int) -> int:
        return self.thresholds[candidate - 1] << self.fraction_bits


def random_division(generator, machine):
    """Ordinary parameters and the ends of their ranges; a score's divisor fits 16 bits more."""
    bits = generator.choice((1, 2, 3, machine.activation_bits, 16))
    reach = 1 << machine.accumulator_bits + machine.fraction_bits + 8
    most = (1 << machine.divisor_bits) - 1 >> bits - 1
    fine = 1 + (1 << machine.accumulator_bits + machine.fraction_bits) // (1 << bits)
    return Division(
        accumulator=generator.choice((0, (1 << machine.accumulator_bits) - 1))
        if generator.random() < 0.2
        else generator.getrandbits(machine.accumulator_bits),
        bits=bits,
        offset=generator.choice((-reach, reach, 0, generator.randint(-fine, fine * 4))),
        divisor=generator.choice((1, most, generator.randint(1, min(most, 2 * fine)), min(most, fine))),
        fraction_bits=machine.fraction_bits,
    )


def random_lookup(generator, machine):
    """Thresholds in order, some below and above what an accumulator can be, some equal."""
    bits = generator.randint(1, machine.activation_bits)
    most = 1 << machine.accumulator_bits
    thresholds = sorted(generator.randint(-most, most) // 2 for _ in range((1 << bits) - 1))
    accumulator = max(0, min(most - 1, generator.choice(thresholds) + generator.choice((-1, 0, 1))))
    return Lookup(accumulator, bits, tuple(thresholds), machine.fraction_bits)


class Schedule:
    """Rounds as close as they may follow each other: what happens in which cycle."""

    def __init__(self, rounds, divide) -> None:
        self.loads, self.steps, self.searches, self.done, self.complete = {}, {}, set(), set(), {}
        self.shown = {}
        cycle = 0
        for round_ in rounds:
            self.loads[cycle] = round_
            stride = 3 if round_.is_search else divide
            for index in range(round_.bits):
                last, bit = cycle + stride * (index + 1), (round_, round_.bits - 1 - index)
                self.steps[last] = bit
                # A threshold is there in the cycle of its comparison alone.
                self.shown |= dict.fromkeys(
                    range(last + 1 - (1 if round_.is_search else divide), last + 1), bit
                )
            if round_.is_search:
                self.searches |= set(range(cycle + 1, cycle + 3 * round_.bits + 1))
            self.done.add(cycle + stride * round_.bits)
            self.complete[cycle + stride * round_.bits + 1] = round_.expected
            cycle += round_cycles(round_.bits, round_.is_search, divide)


def drive(ctx, dut, generator, schedule, cycle: int, candidate: int) -> None:
    """The drain walker's, the array's and the parameter memory's side; `candidate` is that of two cycles ago."""
    round_, bit = schedule.steps.get(cycle, (None, 0))
    loaded, shown = schedule.loads.get(cycle), schedule.shown.get(cycle)
    following = next((schedule.steps[c][1] for c in range(cycle, cycle + 4) if c in schedule.steps), 0)
    ctx.set(dut.load, cycle in schedule.loads)
    ctx.set(dut.step, round_ is not None)
    ctx.set(dut.done, cycle in schedule.done)
    ctx.set(dut.search, cycle in schedule.searches)
    ctx.set(dut.probe, 1 << (following if round_ is None else bit))
    ctx.set(dut.accumulator, loaded.accumulator if loaded else generator.getrandbits(4))
    noise = generator.getrandbits(dut.machine.parameter_bits - 1)
    subtrahend = shown[0].subtrahend(shown[1], max(1, candidate)) if shown else noise
    ctx.set(dut.parameter, {"subtrahend": subtrahend})


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.accumulator_bits}.{m.fraction_bits}")
def test_every_value_is_held_from_its_completion_to_the_next(machine):
    generator = random.Random(machine.accumulator_bits)
    draw = {False: random_division, True: random_lookup}
    rounds = [draw[generator.random() < 0.3](generator, machine) for _ in range(160)]
    schedule = Schedule(rounds, machine.divide_cycles)
    dut = Requantiser(machine)

    async def script(ctx):
        expected, candidates = None, [0, 0]
        for cycle in range(max(schedule.complete) + 1):
            drive(ctx, dut, generator, schedule, cycle, candidates.pop(0))
            candidates.append(ctx.get(dut.found) + ctx.get(dut.probe))
            if cycle in schedule.loads:
                assert not ctx.get(dut.found)
            expected = schedule.complete.get(cycle, expected)
            assert expected is None or ctx.get(dut.q) == expected
            await ctx.tick()

    simulate(dut, script)


def test_models_by_hand():
    assert divide(5, 3, 4, bits=3, fraction_bits=1) == 1
    assert divide(0, 1, 4, bits=3, fraction_bits=1) == 0
    assert divide(200, -8, 1, bits=3, fraction_bits=0) == 7
    assert search(4, (-1, 4, 5)) == 2


def test_parameters_are_checked():
    with pytest.raises(TypeError, match=r"^Machine must be a Machine, not None$"):
        Requantiser(None)
