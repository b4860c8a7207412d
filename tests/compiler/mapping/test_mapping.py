"""The mapping: what fits, what does not, and what the words of the memories mean."""

import itertools
import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import map_program
from bcsim.compiler.mapping.shortfall import MachineTooSmallError
from bcsim.compiler.mapping.tiling import make_nest
from bcsim.compiler.mapping.weight_words import pack_weights, unpack_weights
from bcsim.compiler.program.layers import DenseLayer, Divide, Encoding, InputCoding, Program, WeightPlane
from bcsim.machine import records
from bcsim.machine.parameters import MEDIUM, Machine
from tests.conv_programs import random_conv_program
from tests.programs import random_layer, random_machine, random_program


def _plain(sizes: list[int]) -> Program:
    rng = np.random.default_rng(0)
    source = Encoding(8, Fraction(1), Fraction(0))
    layers: list[DenseLayer] = []
    for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        bits = 16 if index == len(sizes) - 2 else 8
        plane = WeightPlane.pack(rng.integers(0, 2, (outputs, inputs)) * 2 - 1)
        divide = Divide(bits, 0, np.zeros(outputs, np.int64), np.full(outputs, 7, np.int64))
        target = Encoding(bits, Fraction(1), Fraction(0))
        reach = inputs * 255
        layers.append(
            DenseLayer(
                f"fc{index}", inputs, outputs, source, target, (plane,), divide, -reach, reach, True, "y"
            )
        )
        source = target
    return Program("plain", InputCoding(layers[0].source, layers[0].source), (sizes[0],), tuple(layers))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight_words": 100}, "it needs weight_words of at least 2880, not 100"),
        ({"activation_words": 64}, "it needs activation_words of at least 114, not 64"),
        ({"parameter_words": 64}, "it needs parameter_words of at least 193, not 64"),
        ({"layers": 3}, "it needs layers of at least 4, not 3"),
        ({"outputs": 9}, "it needs outputs of at least 10, not 9"),
        ({"accumulator_bits": 17}, "it needs accumulator_bits of at least 18 (layer 'fc0'), not 17"),
        (
            {"digit": 4, "activation_bits": 4},
            "it needs activation_bits of at least 8 (layer 'fc0'), not 4",
        ),
        (
            {"layers": 3, "weight_words": 100, "activation_words": 64, "accumulator_bits": 17},
            "it needs layers of at least 4, not 3; weight_words of at least 2880, not 100; activation_words of at "
            "least 114, not 64; accumulator_bits of at least 18 (layer 'fc0'), not 17",
        ),
    ],
)
def test_a_network_that_does_not_fit_is_told_what_it_needs(change: dict[str, int], message: str) -> None:
    program = _plain([784, 1024, 1024, 1024, 10])
    machine = replace(MEDIUM, name="low", **change)
    whole = f"Machine 'low' is too small for this network: {message}"
    with pytest.raises(BcsimError, match=f"^{re.escape(whole)}$"):
        map_program(program, machine)


def test_fraction_bits_that_do_not_suffice_are_named() -> None:
    program = _plain([4, 2])
    layer = program.layers[0]
    divide = Divide(16, 9, np.zeros(2, np.int64), np.full(2, 7, np.int64))
    program = replace(program, layers=(replace(layer, requantiser=divide),))
    whole = "Machine 'low' is too small for this network: it needs fraction_bits of at least 9 (layer 'fc0'), not 8"
    with pytest.raises(BcsimError, match=f"^{re.escape(whole)}$"):
        map_program(program, replace(MEDIUM, name="low", fraction_bits=8))


def test_weights_of_many_planes_need_doubling_accumulators() -> None:
    program = _plain([4, 2])
    layer = program.layers[0]
    planes = tuple(WeightPlane(shift, layer.planes[0].packed) for shift in (1, 0))
    program = replace(program, layers=(replace(layer, planes=planes),))
    whole = "Machine 'medium' is too small for this network: it needs shift_planes=true (layer 'fc0')"
    with pytest.raises(MachineTooSmallError, match=f"^{re.escape(whole)}$"):
        map_program(program, MEDIUM)
    assert map_program(program, replace(MEDIUM, shift_planes=True)).nests[0].doubles == 0b10


def test_planes_with_a_gap_are_refused() -> None:
    program = _plain([4, 2])
    planes = tuple(WeightPlane(shift, program.layers[0].planes[0].packed) for shift in (2, 0))
    program = replace(program, layers=(replace(program.layers[0], planes=planes),))
    whole = "Layer 'fc0' has weight planes of shifts [2, 0]; the array takes shifts that fall to 0 in steps of 0 or 1"
    with pytest.raises(BcsimError, match=f"^{re.escape(whole)}$"):
        map_program(program, replace(MEDIUM, shift_planes=True))


def test_no_tile_reads_beyond_its_source() -> None:
    grouped = 0
    narrow = {"lanes": 2, "pes": 2, "requantisers": 1, "input_bytes": 1}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        machine = replace(random_machine(rng), spatial=True, activation_words=32768, **narrow)
        for nest in map_program(random_conv_program(rng), machine).nests:
            assert (nest.tiles - 1) * nest.tile_chunks + nest.chunks <= nest.chunks_in_source
            grouped += nest.tile_chunks > 0 and nest.tiles > 1
    assert grouped >= 5


@pytest.mark.parametrize("seed", range(10))
def test_weight_words_unpack_to_the_weights(seed: int) -> None:
    rng = np.random.default_rng(seed)
    machine = random_machine(rng)
    source = Encoding(3, Fraction(1), Fraction(0))
    layer = random_layer(rng, int(rng.integers(1, 50)), int(rng.integers(1, 30)), source, 3, "x")
    nest = make_nest(layer, machine, scores=False, packed=False)
    chunks, tiles = nest.chunks, nest.tiles
    weights, signs = unpack_weights(pack_weights(nest, machine), machine)
    planes = weights.reshape(tiles, -1, chunks, machine.pes, machine.lanes).transpose(1, 0, 3, 2, 4)
    flat = planes.reshape(len(layer.planes), tiles * machine.pes, chunks * machine.lanes)
    for plane, got in zip(layer.planes, flat, strict=True):
        np.testing.assert_array_equal(got[: layer.outputs, : layer.inputs], plane.signs(layer.inputs))
        assert (got[layer.outputs :] == 1).all()
        assert (got[:, layer.inputs :] == 1).all()
    np.testing.assert_array_equal(signs, (weights[..., 0::2] < 0).sum(axis=-1))


@pytest.mark.parametrize("seed", range(20))
def test_neighbouring_tensors_never_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mapping = map_program(random_program(rng, layers=6), random_machine(rng))
    inputs = mapping.nests[0].chunks * mapping.nests[0].digits * mapping.machine.input_buffers
    for layer, following in zip(mapping.layers, mapping.layers[1:], strict=False):
        nest, words = layer.nest, following.nest.chunks * following.nest.digits
        written = range(layer.write_base, layer.write_base + words)
        assert following.read_bases == (layer.write_base,)
        assert written.start >= inputs
        assert written.stop <= mapping.activation_words
        for base in layer.read_bases:
            read = range(base, base + nest.chunks * nest.digits)
            assert written.start >= read.stop or read.start >= written.stop


def test_records_say_what_the_mapping_says() -> None:
    mapping = map_program(_plain([784, 96, 10]), MEDIUM)
    issue = records.unpack(records.fields_of(records.IssueFields), mapping.image.issue[1])
    assert issue["chunks"] == 2
    assert issue["tiles"] == 0
    assert issue["scores"] == issue["last"] == 1
    assert issue["first"] == 0
    stream = records.unpack(records.fields_of(records.StreamFields), mapping.image.stream)
    assert stream["beats"] == 195
    assert stream["fingerprint"] == MEDIUM.fingerprint


def test_images_are_deterministic() -> None:
    machine = Machine(lanes=8, pes=8, requantisers=4)
    first, second = (map_program(_plain([20, 30, 10]), machine).image for _ in range(2))
    assert first.issue == second.issue
    assert first.weights.tobytes() == second.weights.tobytes()
    assert first.offsets.tobytes() == second.offsets.tobytes()
