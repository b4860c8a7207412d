"""Tensors that layers read together: chunks, distances, and what their lanes beyond the channels hold."""

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.compiler.mapping.shared_sources import source_rows
from bcsim.compiler.program.geometry import Geometry, Pool
from bcsim.compiler.program.layers import ConvLayer, Encoding, InputCoding, Program
from bcsim.machine.parameters import Machine
from bcsim.simulator.simulator import run_machine
from tests.conv_programs import conv_layer
from tests.programs import random_images
from tests.reference import run_reference

SOURCE = Encoding(3, Fraction(1), Fraction(0))
MACHINE = Machine(
    name="small",
    lanes=4,
    pes=4,
    digit=2,
    requantisers=2,
    input_bytes=2,
    spatial=True,
    shift_planes=True,
    accumulator_bits=20,
    fraction_bits=8,
    activation_words=2048,
    layers=32,
)
SIZE = 4


class Net:
    """Layers over images of SIZE rows and columns, 3 bits everywhere, the input of 4 channels."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.channels = {"": 4}
        self.layers: list[ConvLayer] = []

    def conv(self, name: str, outputs: int, *reads: str, padded: int | None = None) -> None:
        """A 1 x 1 convolution, or a 3 x 3 one padded with a level."""
        channels = tuple(self.channels[read] for read in reads)
        geometry = Geometry(SIZE, SIZE, channels)
        if padded is not None:
            geometry = replace(geometry, kernel=(3, 3), pads=(1, 1, 1, 1), pad_level=padded)
        self.layers.append(conv_layer(self.rng, geometry, outputs, SOURCE, 3, name, reads))
        self.channels[name] = outputs

    def program(self, *last: str) -> Program:
        channels = tuple(self.channels[read] for read in last)
        end = Geometry(SIZE, SIZE, channels, kernel=(SIZE, SIZE))
        scores = conv_layer(self.rng, end, 3, SOURCE, 16, "scores", last)
        return Program("net", InputCoding(SOURCE, SOURCE), (4, SIZE, SIZE), (*self.layers, scores))


def check(program: Program, machine: Machine = MACHINE) -> Mapping:
    """The mapping, on which the machine level gives the definition's scores."""
    mapping = map_program(program, machine)
    q = random_images(np.random.default_rng(7), program, 3)
    expected = run_reference(program, q)["scores"].reshape(3, -1)
    np.testing.assert_array_equal(run_machine(mapping, q).scores, expected)
    return mapping


def test_the_narrower_of_two_sources_ends_in_chunks_without_channels() -> None:
    net = Net()
    net.conv("wide", 11, "")
    net.conv("narrow", 2, "wide", padded=5)
    net.conv("alone", 3, "narrow")
    net.conv("joint", 5, "narrow", "wide", padded=5)
    wide, narrow, alone, joint, _ = check(net.program("joint", "alone")).nests
    digits = 2
    assert wide.output_pixel_words == narrow.output_pixel_words == 3 * digits
    assert (joint.chunks, joint.chunks_in_source) == (3, 3)
    assert (alone.chunks, alone.chunks_in_source) == (1, 3)


@pytest.mark.parametrize("reads", [("a", "b"), ("b", "a"), ("a", "b", "a", "b")])
def test_lanes_beyond_the_channels_may_differ_between_sources(reads: tuple[str, ...]) -> None:
    net = Net()
    net.conv("a", 3, "")
    net.conv("b", 2, "a", padded=6)
    net.conv("joint", 4, *reads[:2])
    a, b, *_ = check(net.program("joint")).nests
    assert (a.fill, b.fill) == (6, 0)


@pytest.mark.parametrize("count", [3, 5, 16])
def test_many_sources_lie_at_equal_distances(count: int) -> None:
    net = Net()
    names = [f"part{index}" for index in range(count)]
    for index, name in enumerate(names):
        net.conv(name, 1 + index % 5, names[index - 1] if index else "")
    net.conv("joint", 4, *names)
    net.conv("again", 4, *names[1:])
    mapping = check(net.program("joint", "again"))
    joint = mapping.layers[count]
    bases = [mapping.layers[index].write_base for index in range(count)]
    assert bases == [bases[0] + index * joint.source_stride for index in range(count)]
    assert joint.source_stride == joint.nest.source_words


def test_sources_in_contradicting_orders_are_refused() -> None:
    net = Net()
    for name, read in (("a", ""), ("b", "a"), ("c", "b")):
        net.conv(name, 3, read)
    net.conv("first", 2, "a", "b", "c")
    net.conv("backwards", 2, "c", "b", "a")
    check(net.program("first", "backwards"))
    net.conv("second", 2, "a", "c", "b")
    whole = (
        "Layer 'second' reads 3 sources in an order that the machine cannot take; accepted are 1 or 2, or more that "
        "are different tensors, which no other layer of more than 2 reads in a contradicting order"
    )
    with pytest.raises(BcsimError, match=f"^{re.escape(whole)}$"):
        map_program(net.program("first", "second"), MACHINE)


def test_levels_of_padding_may_differ_between_readers() -> None:
    net = Net()
    net.conv("a", 3, "")
    net.conv("b", 4, "a", padded=6)
    net.conv("c", 4, "a", padded=2)
    mapping = map_program(net.program("b", "c"), MACHINE)
    assert [nest.cancels for nest in mapping.nests[1:3]] == [False, True]
    check(net.program("b", "c"))


def test_rows_beyond_the_records_fields_are_refused() -> None:
    net = Net()
    pooled = Geometry(70000, 1, (4,), kernel=(5, 1), pool=Pool((2, 1), (69996, 1)))
    layer = conv_layer(net.rng, pooled, 4, SOURCE, 3, "pooled", ("",))
    scores = conv_layer(net.rng, Geometry(1, 1, (4,)), 3, SOURCE, 16, "scores", ("pooled",))
    program = Program("net", InputCoding(SOURCE, SOURCE), (4, 70000, 1), (layer, scores))
    whole = (
        "Layer 'pooled' is too large for the machine's records: height would be 70000; "
        "accepted are values up to 65535"
    )
    with pytest.raises(BcsimError, match=f"^{re.escape(whole)}$"):
        map_program(program, replace(MACHINE, activation_words=1 << 19))


@pytest.mark.parametrize(
    ("reads", "rows"),
    [
        ([(0, 1), (1, 0)], []),
        ([(0, 1, 2)], [(0, 1, 2)]),
        ([(0, 1, 2), (0, 1, 2, 3), (1, 2, 3)], [(0, 1, 2, 3)]),
        ([(1, 2, 3), (0, 1, 2)], [(0, 1, 2, 3)]),
        ([(0, 1, 2), (4, 5, 6), (2, 3, 4)], [(0, 1, 2, 3, 4, 5, 6)]),
        ([(0, 1, 2), (2, 1, 0)], [(0, 1, 2)]),
        ([(0, 1, 2), (0, 3, 1)], [(0, 1, 2)]),
        ([(0, 0, 1)], []),
    ],
)
def test_rows_hold_every_order_that_does_not_contradict(
    reads: list[tuple[int, ...]], rows: list[tuple[int, ...]]
) -> None:
    assert source_rows(tuple(reads)) == rows
