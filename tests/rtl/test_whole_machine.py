"""Small programs on small machines, all loops at once: what is sent is right for all images, cycle for cycle."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import Encoding, InputCoding, Program, WeightPlane
from bcsim.machine.parameters import Machine
from bcsim.simulator.pauses import random_pauses
from tests.conv_programs import conv_layer, random_conv_program
from tests.programs import random_program

pytest.importorskip("pyosys", exc_type=ImportError)
pytest.importorskip("cocotb")

from tests.rtl.symbolic_program import prove, stream_literals

PARTS: dict[str, Any] = {
    "lanes": 2,
    "input_bytes": 1,
    "accumulator_bits": 12,
    "fraction_bits": 6,
    "activation_words": 64,
    "weight_words": 64,
    "parameter_words": 64,
    "layers": 6,
    "outputs": 4,
    "loading": False,
    "counters": False,
    "readable_parameters": False,
    "watchdog": False,
    "shift_planes": True,
}
MACHINES = {
    "dense": Machine(pes=2, digit=1, requantisers=1, **PARTS),
    "spatial": Machine(pes=4, digit=2, requantisers=2, spatial=True, reuse=2, drains=2, **PARTS),
}
SPAN, INPUTS = 70, 18
"""What ABC is given at most: values of an accumulator, values of an image."""


def drawn(machine: Machine, seed: int) -> tuple[Mapping, np.random.Generator]:
    """A random program on a machine. Raises BcsimError where it does not fit."""
    generator = np.random.default_rng(seed)
    if machine.spatial:
        program = random_conv_program(generator, layers=2, largest=3)
    else:
        program = random_program(generator, largest=5, layers=3, widest=3, classes=3)
    return map_program(program, machine), generator


@pytest.mark.rtl
@pytest.mark.parametrize(("name", "seed", "images", "bits"), [("dense", 145, 2, 52), ("spatial", 692, 1, 38)])
def test_every_image_gives_the_programs_words_in_the_simulators_cycles(
    name: str, seed: int, images: int, bits: int
) -> None:
    mapping, generator = drawn(MACHINES[name], seed)
    assert len(mapping.program.layers) > 1
    assert prove(mapping, images, random_pauses(generator, mapping, images)) == bits


def test_the_padding_that_a_host_fills_in_is_its_level() -> None:
    """A row of two values, 2 bits each, with what lies left of it in each window of three."""
    generator, source = np.random.default_rng(5), Encoding(2, Fraction(1), Fraction(0))
    row = Geometry(1, 2, (1,), kernel=(1, 3), pads=(0, 1, 0, 0), pad_level=2)
    scores = conv_layer(generator, row, 2, source, 4, "scores", ("",))
    program = Program("padded", InputCoding(source, source), (1, 1, 2), (scores,))
    mapping = map_program(program, MACHINES["spatial"])
    words = stream_literals(mapping, [[[100, 102], [104, 106]]])
    assert mapping.packed
    assert [word[0] for word in words] == [[0, 1, *[0] * 6], [100, 102, *[0] * 6], [104, 106, *[0] * 6]]


def with_another_weight(program: Program) -> Program:
    """The program with the first weight's sign turned."""
    first, *rest = program.layers
    plane, *others = first.planes
    packed = plane.packed.copy()
    packed[0, 0] ^= 1
    layer = replace(first, planes=(WeightPlane(plane.shift, packed), *others))
    return replace(program, layers=(layer, *rest))


@pytest.mark.rtl
def test_one_wrong_weight_is_refuted() -> None:
    mapping, generator = drawn(MACHINES["dense"], 145)
    wrong = replace(mapping, program=with_another_weight(mapping.program))
    with pytest.raises(AssertionError, match="output words differ"):
        prove(wrong, 1, random_pauses(generator, mapping, 1))


@pytest.mark.soak
@pytest.mark.parametrize("name", MACHINES)
def test_soak_of_small_programs(name: str) -> None:
    proved = 0
    for seed in range(1000, 1400):
        try:
            mapping, generator = drawn(MACHINES[name], seed)
        except BcsimError:
            continue
        program = mapping.program
        if program.inputs <= INPUTS and max(layer.high - layer.low for layer in program.layers) <= SPAN:
            prove(mapping, 1, random_pauses(generator, mapping, 1), limit=300)
            proved += 1
            print(name, seed, proved)
    assert proved >= 10
