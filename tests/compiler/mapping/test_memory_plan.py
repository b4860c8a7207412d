"""The memory plan: nothing that is still needed is overwritten, and chains take the least space."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.mapping import map_program
from bcsim.compiler.mapping.memory_plan import Tensor, place_tensors
from bcsim.compiler.mapping.overwrite_distance import overwrite_distance
from bcsim.compiler.mapping.tiling import make_nest
from bcsim.compiler.program.geometry import Geometry, Pool, taps, window_corners
from bcsim.compiler.program.layers import Encoding
from bcsim.machine.parameters import Machine, parse_machine
from bench.networks import cifar_program
from tests.conv_programs import conv_layer

MACHINE = replace(parse_machine("conv"), lanes=4, pes=4, requantisers=2, digit=4, shift_planes=True)
GEOMETRIES = [
    Geometry(5, 4, (6,)),
    Geometry(5, 6, (3,), (3, 3), (1, 1), (1, 1, 1, 1)),
    Geometry(7, 7, (4,), (3, 3), (2, 2), (1, 1, 1, 1)),
    Geometry(8, 6, (9,), (3, 3), (1, 1), (1, 1, 1, 1), pool=Pool((2, 2), (2, 2))),
    Geometry(8, 8, (2,), (2, 2), (1, 1), (0, 0, 0, 0), pool=Pool((3, 3), (1, 2))),
    Geometry(1, 9, (5,), (1, 4), (1, 2), (0, 3, 0, 3)),
    Geometry(3, 3, (5,), (1, 1), (1, 1), (2, 2, 2, 2)),
    Geometry(1, 1, (30,)),
]


def _nest(geometry: Geometry, outputs: int) -> LoopNest:
    source = Encoding(4, Fraction(1), Fraction(0))
    layer = conv_layer(np.random.default_rng(0), geometry, outputs, source, 4, "layer", ("",))
    return make_nest(layer, MACHINE, scores=False, packed=False)


def _survives(nest: LoopNest, distance: int) -> bool:
    """Whether every word is read before it is overwritten, the source at 0, the output `distance` words below."""
    geometry, pixel = nest.geometry, nest.chunks_in_source * nest.digits
    rows, columns = window_corners(geometry)
    written = -distance
    for position in range(nest.positions):
        for place, (_, y, x) in product(range(nest.window), taps(geometry)):
            row, column = rows[position, place] + y, columns[position, place] + x
            inside = 0 <= row < geometry.height and 0 <= column < geometry.width
            if inside and (row * geometry.width + column) * pixel < written:
                return False
        written += nest.output_pixel_words
    return True


@pytest.mark.parametrize("outputs", [3, 8, 17])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_overwrite_distance_keeps_every_word_until_it_is_read(geometry: Geometry, outputs: int) -> None:
    nest = _nest(geometry, outputs)
    distance = overwrite_distance(nest)
    assert distance is not None
    assert _survives(nest, distance)


def test_a_smaller_distance_overwrites() -> None:
    nest = _nest(GEOMETRIES[1], 8)
    distance = overwrite_distance(nest)
    assert distance is not None
    assert not _survives(nest, distance - 2 * nest.output_pixel_words)


def test_tiles_outermost_have_no_overwrite_distance() -> None:
    assert overwrite_distance(replace(_nest(GEOMETRIES[1], 8), streamed=True)) is None


def _random_chain(rng: np.random.Generator) -> list[Tensor]:
    distances = [None if rng.random() < 0.3 else int(rng.integers(1, 9)) for _ in range(5)]
    return [
        Tensor(int(rng.integers(1, 9)), index, index + 1, distance)
        for index, distance in enumerate(distances)
    ]


def _allowed(tensors: list[Tensor], bases: tuple[int, ...] | list[int]) -> bool:
    for (a, x), (b, y) in product(zip(tensors, bases, strict=True), repeat=2):
        if a is not b and a.meets(b) and x <= y < x + a.clearance(b):
            return False
    return True


@pytest.mark.parametrize("seed", range(20))
def test_chains_take_the_least_space(seed: int) -> None:
    tensors = _random_chain(np.random.default_rng(seed))
    bases, space = place_tensors(tensors)
    assert _allowed(tensors, bases)
    assert max(base + tensor.words for base, tensor in zip(bases, tensors, strict=True)) <= space
    less = [range(space - tensor.words) for tensor in tensors]
    assert not any(_allowed(tensors, smaller) for smaller in product(*less))


@pytest.mark.parametrize("seed", range(50))
def test_graphs_are_placed_without_conflict(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tensors = []
    for first in range(int(rng.integers(1, 12))):
        distance = None if rng.random() < 0.5 else int(rng.integers(1, 20))
        tensors.append(Tensor(int(rng.integers(1, 20)), first, first + int(rng.integers(1, 5)), distance))
    bases, space = place_tensors(tensors)
    assert min(bases) == 0
    assert _allowed(tensors, bases)
    assert max(base + tensor.words for base, tensor in zip(bases, tensors, strict=True)) <= space


def test_outputs_follow_the_inputs_they_replace() -> None:
    machine: Machine = parse_machine("conv")
    mapping = map_program(cifar_program(8), machine)
    second = mapping.nests[1]
    assert second.source_words == 4096
    assert mapping.activation_words == 2 * mapping.nests[0].source_words + 4096 + 4
