# amaranth: UnusedElaboratable=no
"""A requantiser, round after round, against floor division and counting."""

import random
from dataclasses import dataclass, replace

import pytest

from bcsim.machine import PRESETS
from bcsim.rtl.requantiser import Requantiser, divide, search
from bcsim.timing import round_cycles
from tests.rtl.simulation import simulate

MACHINES = [
    replace(PRESETS["tiny"], **parameters)
    for parameters in (
        {"accumulator_bits": 12, "fraction_bits": 0, "digit": 4, "activation_bits": 4},
        {"accumulator_bits": 20, "fraction_bits": 16, "digit": 1, "activation_bits": 8},
        {"accumulator_bits": 8, "fraction_bits": 5, "digit": 4, "activation_bits": 8},
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

    def parameter(self, candidate: int) -> dict:
        return {"offset": self.offset, "divisor": self.divisor << self.bits - 1}


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

    def parameter(self, candidate: int) -> dict:
        return {"offset": self.thresholds[candidate - 1] << self.fraction_bits, "divisor": 0}


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


class Driver:
    """The drain walker's and the parameter memory's side of a requantiser."""

    def __init__(self, dut, generator) -> None:
        self.dut, self.generator = dut, generator
        self.addresses: list[int] = [0, 0, 0]

    async def cycle(self, ctx, round_, cycle: int, last: int) -> None:
        """Drive cycle `cycle` of a round whose last cycle is `last`."""
        dut, stride = self.dut, 3 if round_.is_search else 1
        decided = max(cycle - 1, 0) // stride
        step = 1 <= cycle <= stride * round_.bits and cycle % stride == 0
        ctx.set(dut.load, cycle == 0)
        ctx.set(dut.step, step)
        ctx.set(dut.done, cycle == last)
        ctx.set(dut.search, round_.is_search)
        noisy = cycle in (0, last)
        ctx.set(dut.probe, self.generator.getrandbits(16) if noisy else 1 << round_.bits - 1 >> decided)
        ctx.set(dut.accumulator, round_.accumulator if cycle == 0 else self.generator.getrandbits(4))
        self.addresses = [*self.addresses[1:], ctx.get(dut.candidate)]
        if cycle == 0 or (round_.is_search and step):
            ctx.set(dut.parameter, round_.parameter(self.addresses[0] if step else 1))
        elif cycle > 1:
            ctx.set(dut.parameter, {"offset": self.generator.getrandbits(8), "divisor": 1})


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.accumulator_bits}.{m.fraction_bits}")
def test_every_round_leaves_its_value_for_its_digits(machine):
    generator = random.Random(machine.accumulator_bits)
    draw = {False: random_division, True: random_lookup}
    rounds = [draw[generator.random() < 0.4](generator, machine) for _ in range(120)]
    dut = Requantiser(machine)

    async def script(ctx):
        driver, held = Driver(dut, generator), None
        for round_ in rounds:
            count = round_cycles(round_.bits, round_.is_search)
            for cycle in range(count):
                await driver.cycle(ctx, round_, cycle, count - 1)
                if held is not None and cycle < held[1]:
                    assert ctx.get(dut.q) == held[0]
                await ctx.tick()
            digits = -(-round_.bits // machine.digit) if round_.bits < 16 else 1
            held = round_.expected, digits

    simulate(dut, script)


def test_models_by_hand():
    assert divide(5, 3, 4, bits=3, fraction_bits=1) == 1
    assert divide(0, 1, 4, bits=3, fraction_bits=1) == 0
    assert divide(200, -8, 1, bits=3, fraction_bits=0) == 7
    assert search(4, (-1, 4, 5)) == 2


def test_parameters_are_checked():
    with pytest.raises(TypeError, match=r"^Machine must be a Machine, not None$"):
        Requantiser(None)
