"""Hazards: the least wait, found by walking every step, round and word of two layers."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import count, product

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping import placed_layer
from bcsim.compiler.mapping.hazards import NEVER, first_reads, hazard_cycles, pass_intervals
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.mapping import map_program
from bcsim.compiler.mapping.tiling import make_nest
from bcsim.compiler.program.geometry import Geometry, Pool, taps, window_corners
from bcsim.compiler.program.layers import Divide, Encoding, WeightPlane
from bcsim.machine.latency import longest_wait, shadow_latency
from bcsim.machine.parameters import Machine
from tests.conv_programs import conv_layer, random_conv_program
from tests.programs import random_spatial_machine

Word = tuple[int, int, int, int]
"""Source, row, column, chunk."""

MACHINE = Machine(lanes=4, pes=4, digit=2, requantisers=2, spatial=True, shift_planes=True)


def strips(nest: LoopNest) -> list[list[int]]:
    """The positions of every strip: up to `reuse` columns of a row."""
    rows, columns = nest.geometry.output
    return [
        list(range(row * columns + first, row * columns + min(first + nest.reuse, columns)))
        for row in range(rows)
        for first in range(0, columns, nest.reuse)
    ]


def passes(nest: LoopNest) -> Iterator[tuple[list[int], int, int]]:
    """Positions, tile and place in the pooling window of every pass, in order of issue."""
    if nest.streamed:
        loops = product(range(nest.tiles), strips(nest), range(nest.window))
        return ((positions, tile, place) for tile, positions, place in loops)
    return product(strips(nest), range(nest.tiles), range(nest.window))


def walked_reads(nest: LoopNest) -> dict[Word, int]:
    """The step that first reads a word's first digit, of every word that is read."""
    rows, columns = window_corners(nest.geometry)
    found: dict[Word, int] = {}
    step = 0
    for positions, tile, place in passes(nest):
        for _, (source, y, x), chunk, position, digit in product(
            range(nest.planes), list(taps(nest.geometry)), range(nest.chunks), positions, range(nest.digits)
        ):
            row, column = int(rows[position, place]) + y, int(columns[position, place]) + x
            inside = 0 <= row < nest.geometry.height and 0 <= column < nest.geometry.width
            if inside and digit == 0:
                found.setdefault((source, row, column, tile * nest.tile_chunks + chunk), step)
            step += 1
    assert step == nest.steps
    return found


def walked_writes(nest: LoopNest, machine: Machine) -> dict[Word, int]:
    """The cycle, counted from the layer's last step, in which a word's first digit is whole."""
    order = list(passes(nest))
    last = [0]
    for interval in reversed(pass_intervals(nest).tolist()):
        last.append(last[-1] - interval)
    found: dict[Word, int] = defaultdict(lambda: -(1 << 40))
    columns = nest.geometry.output[1]
    for end, (positions, tile, place) in zip(reversed(last), order, strict=True):
        rounds = nest.rounds_last if tile == nest.tiles - 1 else nest.rounds_full
        written = positions if place == nest.window - 1 else []
        for (place, position), round_ in product(enumerate(written), range(rounds)):
            chunk = (tile * nest.rounds_full + round_) // machine.groups
            word = (0, *divmod(position, columns), chunk)
            number = place // nest.drains * rounds + round_
            start = end + shadow_latency(machine) + number * nest.round_cycles
            behind = place % nest.drains * nest.target_digits
            found[word] = max(found[word], start + nest.write_cycles + behind)
    return found


def safe(wait: int, nest: LoopNest, before: LoopNest, machine: Machine) -> bool:
    """Whether no word is read before the cycle behind its write, and no digit written before an earlier layer's."""
    writes = walked_writes(before, machine)
    early = any(wait + step <= writes[word] for word, step in walked_reads(nest).items() if word in writes)
    positions = len(strips(before)[-1])
    rounds = -(-positions // before.drains) * before.rounds_last
    drained = (rounds - 1) * before.round_cycles + before.write_cycles
    drained += (positions - 1) % before.drains * before.target_digits
    digits_end = shadow_latency(machine) + drained + before.target_digits - 1
    first_pass = len(strips(nest)[0]) * nest.steps_per_tile
    first_write = wait + first_pass - 1 + shadow_latency(machine) + nest.write_cycles
    return not early and first_write > digits_end


def drained_at_once(nest: LoopNest, drains: int) -> LoopNest:
    """Where so many positions divide at once and write one behind the other."""
    return replace(nest, drains=drains, round_cycles=max(nest.round_cycles, drains * nest.target_digits))


def nest(geometry: Geometry, outputs: int, machine: Machine = MACHINE) -> LoopNest:
    source = Encoding(3, Fraction(1), Fraction(0))
    layer = conv_layer(np.random.default_rng(0), geometry, outputs, source, 3, "layer", ("",))
    return make_nest(layer, machine, scores=False, packed=False)


POINT = Geometry(4, 4, (5,))
WINDOW = Geometry(4, 4, (5,), kernel=(3, 3), pads=(1, 1, 1, 1))
GROUPED = Geometry(2, 2, (16,), groups=4)
POOLED = Geometry(4, 4, (5,), kernel=(1, 2), pool=Pool((2, 1), (2, 1)))


@pytest.mark.parametrize("reuse", [1, 2, 3])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "geometry", [POINT, WINDOW, POOLED, GROUPED], ids=["point", "window", "pooled", "grouped"]
)
def test_first_reads_are_those_of_the_walk(geometry: Geometry, streamed: bool, reuse: int) -> None:
    layer = replace(nest(geometry, 16), streamed=streamed, reuse=reuse)
    assert (layer.tile_chunks > 0) == (geometry is GROUPED)
    shape = (1, geometry.height, geometry.width, layer.chunks_in_source)
    found = first_reads(layer).reshape(shape)
    walked = walked_reads(layer)
    for word in np.ndindex(shape):
        assert found[word] == walked.get(word, NEVER), word


@pytest.mark.parametrize(("reuse", "drains"), [(1, 1), (3, 1), (4, 2)])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("outputs", [3, 9], ids=["a fast reader", "a slow reader"])
@pytest.mark.parametrize("source", [POINT, POOLED], ids=["of a point", "of a pooled layer"])
@pytest.mark.parametrize("geometry", [POINT, WINDOW, POOLED], ids=["point", "window", "pooled"])
def test_the_wait_is_the_least_that_is_safe(
    geometry: Geometry, source: Geometry, outputs: int, streamed: bool, reuse: int, drains: int
) -> None:
    before = drained_at_once(replace(nest(source, 5), streamed=streamed, reuse=reuse), drains)
    height, width = source.output
    layer = replace(nest(replace(geometry, height=height, width=width), outputs), reuse=reuse)
    least = next(wait for wait in count() if safe(wait, layer, before, MACHINE))
    assert hazard_cycles(layer, (0,), [before], MACHINE) == least


def test_a_word_is_written_behind_the_last_pass_of_its_window() -> None:
    before = nest(Geometry(2, 2, (5,), pool=Pool((2, 2), (1, 1))), 5)
    layer = nest(Geometry(1, 1, (5,)), 3)
    assert (before.positions, before.window) == (1, 4)
    least = next(wait for wait in count() if safe(wait, layer, before, MACHINE))
    assert hazard_cycles(layer, (0,), [before], MACHINE) == least


def test_a_wait_by_hand() -> None:
    """Two layers of 4 values of 2 bits and one plane: one step and two rounds each.

    The first layer's step is in cycle 0. Its sum is in the accumulator 6 cycles later (5 and one level of the tree,
    values of one digit need no Horner stage) and its first round begins in cycle 7. The second begins behind the 2
    cycles of the first, and writes 4 cycles later, in cycle 13. A step that reads the word may follow in cycle 14.
    """
    machine = Machine(lanes=4, pes=4, digit=2, activation_bits=2, requantisers=2)
    source = Encoding(2, Fraction(1), Fraction(0))
    layer = conv_layer(np.random.default_rng(0), Geometry(1, 1, (4,)), 4, source, 2, "layer", ("",))
    plane = WeightPlane.pack(np.ones((4, 4), np.int8))
    divide = Divide(2, 0, np.zeros(4, np.int64), np.ones(4, np.int64))
    layer = replace(layer, planes=(plane,), requantiser=divide)
    dense = make_nest(layer, machine, scores=False, packed=False)
    assert (dense.steps, dense.rounds, shadow_latency(machine)) == (1, 2, 7)
    assert hazard_cycles(dense, (0,), [dense], machine) == 14


@pytest.mark.parametrize("seed", range(12))
def test_waits_of_random_networks_are_the_least_that_are_safe(seed: int) -> None:
    rng = np.random.default_rng(seed)
    machine = random_spatial_machine(rng)
    mapping = map_program(random_conv_program(rng), machine)
    for index in range(1, len(mapping.layers)):
        layer, before = mapping.layers[index], mapping.nests[index - 1]
        if mapping.sources[index] != (index - 1,) or before.steps + layer.nest.steps > 20_000:
            continue
        assert safe(layer.wait, layer.nest, before, machine)
        assert layer.wait == 0 or not safe(layer.wait - 1, layer.nest, before, machine)


def test_a_wait_beyond_what_the_hardware_counts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    program = random_conv_program(np.random.default_rng(1), layers=2, largest=4)
    waits = [layer.wait for layer in map_program(program, MACHINE).layers]
    longest = max(waits)
    assert 0 < longest <= longest_wait(MACHINE)
    monkeypatch.setattr(placed_layer, "longest_wait", lambda _: longest)
    map_program(program, MACHINE)
    monkeypatch.setattr(placed_layer, "longest_wait", lambda _: longest - 1)
    with pytest.raises(BcsimError, match=rf"must wait {longest} cycles for the layer before it, where"):
        map_program(program, MACHINE)
