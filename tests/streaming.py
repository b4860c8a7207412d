"""Random networks on machines whose weight memory is too small for them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.compiler.program.layers import Program
from bcsim.machine.parameters import Machine
from bcsim.simulator.weight_stream import stream_beats
from tests.conv_programs import random_conv_program
from tests.programs import random_machine, random_program


def least_words(program: Program, machine: Machine) -> int:
    """The smallest weight memory that does, by the message for one that does not; 1 where that one does."""
    try:
        map_program(program, replace(machine, weight_words=1))
    except BcsimError as error:
        if found := re.fullmatch(r".* it needs weight_words of at least (\d+), not 1", str(error)):
            return int(found[1])
        raise
    return 1


def streaming_machine(rng: np.random.Generator, *, spatial: bool) -> Machine:
    """A random machine with a weight stream and room for every weight."""
    machine = random_machine(rng)
    if spatial:
        machine = replace(
            machine, spatial=True, activation_words=16384, pes=machine.lanes * int(rng.integers(1, 3))
        )
    return replace(machine, weight_stream_bytes=int(rng.choice([1, 2, 4, 8])))


def squeezed(rng: np.random.Generator, program: Program, machine: Machine) -> Mapping | None:
    """The program on the machine with a weight memory in which something must stream; None where nothing can."""
    whole = map_program(program, replace(machine, weight_words=1 << 20))
    total = sum(nest.weight_words for nest in whole.nests)
    least = least_words(program, machine)
    if least >= total:
        return None
    return map_program(program, replace(machine, weight_words=int(rng.integers(least, total))))


def streamed_network(seed: int, *, spatial: bool) -> Mapping:
    """A random network of which some layers stream."""
    rng = np.random.default_rng(seed)
    while True:
        program = random_conv_program(rng) if spatial else random_program(rng)
        mapping = squeezed(rng, program, streaming_machine(rng, spatial=spatial))
        if mapping is not None:
            return mapping


def weight_words(mapping: Mapping, images: int) -> int:
    """Words of the weight stream in so many images."""
    return images * sum(sum(layer) for layer in stream_beats(mapping))


def random_gaps(rng: np.random.Generator, count: int, longest: int) -> NDArray[np.int64]:
    """Idle cycles before each of `count` words: none before most."""
    return rng.integers(0, longest + 1, count) * (rng.random(count) < 0.3)
