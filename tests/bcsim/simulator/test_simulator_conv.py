"""Convolutional programs at the machine level against the program by its definition."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import map_program
from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import Encoding, InputCoding, Program
from bcsim.machine.parameters import MEDIUM, Machine
from bcsim.simulator.simulator import run_machine
from tests.conv_programs import conv_layer, random_conv_program
from tests.programs import random_images, random_machine, random_spatial_machine
from tests.reference import run_reference


@pytest.mark.parametrize("seed", range(150))
def test_scores_and_writes_are_those_of_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_conv_program(rng)
    machine = random_spatial_machine(rng)
    q = random_images(rng, program, 3)
    mapping = map_program(program, machine)
    run = run_machine(mapping, q, record=3)
    expected = run_reference(program, q)
    np.testing.assert_array_equal(run.scores, expected["scores"].reshape(3, -1))
    assert sum(run.lane_cycles.values()) == run.cycles * machine.slots
    assert len(np.unique(run.writes.cycle)) == len(run.writes.cycle)


@pytest.mark.parametrize("seed", range(12))
def test_windows_come_packed_where_pixels_would_idle_the_lanes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_conv_program(rng, largest=4)
    first = replace(program.layers[0].windows, pads=(1, 0, 1, 1), kernel=(2, 2), groups=1, pool=None)
    first = replace(first, height=5, width=5, pad_level=program.input.stream.levels // 2)
    head = conv_layer(rng, first, 6, program.layers[0].source, 3, "head", ("",))
    rows, columns = first.windows
    end = Geometry(rows, columns, (6,), kernel=(rows, columns))
    scores = conv_layer(rng, end, 4, head.target, 16, "scores", ("head",))
    program = replace(program, layers=(head, scores))
    mapping = map_program(program, replace(MEDIUM, spatial=True, shift_planes=True))
    assert mapping.packed
    assert mapping.nests[0].chunks == 1
    q = random_images(rng, program, 2)
    run = run_machine(mapping, q)
    np.testing.assert_array_equal(run.scores, run_reference(program, q)["scores"].reshape(2, -1))


def _padded(sources: int) -> Program:
    """One layer of scores over a padded input of three channels, which it reads once or twice."""
    rng, source = np.random.default_rng(0), Encoding(2, Fraction(1), Fraction(0))
    geometry = Geometry(3, 3, (3,) * sources, kernel=(4, 4), pads=(1, 1, 0, 0), pad_level=1)
    layer = conv_layer(rng, geometry, 2, source, 16, "head", ("",) * sources)
    return Program("pad", InputCoding(source, source), (3, 3, 3), (layer,))


FOUR = Machine(
    name="four", lanes=4, pes=4, requantisers=2, spatial=True, shift_planes=True, accumulator_bits=30
)


def test_padding_that_the_loader_cannot_fill_comes_with_the_host_s_windows() -> None:
    program = _padded(1)
    mapping = map_program(program, FOUR)
    assert mapping.packed
    q = random_images(np.random.default_rng(1), program, 3)
    expected = run_reference(program, q)["head"].reshape(3, -1)
    np.testing.assert_array_equal(run_machine(mapping, q).scores, expected)


def test_padding_of_an_input_read_twice_cancels_in_the_lanes_beyond_its_channels() -> None:
    program = _padded(2)
    mapping = map_program(program, FOUR)
    assert not mapping.packed
    assert mapping.nests[0].cancels
    q = random_images(np.random.default_rng(2), program, 3)
    expected = run_reference(program, q)["head"].reshape(3, -1)
    np.testing.assert_array_equal(run_machine(mapping, q).scores, expected)


@pytest.mark.parametrize("reads", [("", "head"), ("head", "")])
def test_an_addition_of_the_input_is_refused(reads: tuple[str, str]) -> None:
    rng = np.random.default_rng(1)
    source = Encoding(4, Fraction(1), Fraction(0))
    head = conv_layer(rng, Geometry(3, 3, (4,)), 4, source, 4, "head", ("",))
    added = conv_layer(rng, Geometry(3, 3, (4, 4), groups=4), 4, source, 4, "sum", reads)
    scores = conv_layer(rng, Geometry(3, 3, (4,), kernel=(3, 3)), 3, source, 16, "scores", ("sum",))
    program = Program("input", InputCoding(source, source), (4, 3, 3), (head, added, scores))
    whole = "^Layer 'sum' reads the network's input; the machine takes that in the first layer only$"
    with pytest.raises(BcsimError, match=whole):
        map_program(program, replace(MEDIUM, spatial=True))


def test_a_machine_for_dense_networks_refuses_convolutions() -> None:
    rng = np.random.default_rng(0)
    program, machine = random_conv_program(rng), random_machine(rng)
    with pytest.raises(BcsimError, match=rf"it needs .*spatial=true \(layer '{program.layers[0].name}'\)"):
        map_program(program, machine)
