"""Lowered convolutional networks at the machine level: what the compiler writes, the machine takes."""

import numpy as np
import pytest

from bcsim.compiler.graph.nodes import Graph
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.execution.raw_levels import arranged
from bcsim.machine.parameters import Machine
from bcsim.simulator.simulator import run_machine
from tests.compiler.nets import PIXEL, Net, random_levels, random_net, run_levels

MACHINE = Machine(
    name="lowered",
    lanes=4,
    pes=8,
    digit=4,
    requantisers=4,
    input_bytes=4,
    spatial=True,
    shift_planes=True,
    accumulator_bits=24,
    activation_words=1 << 14,
    weight_words=1 << 16,
    parameter_words=1 << 12,
    layers=64,
)


def check(graph: Graph) -> Mapping:
    """The mapping of the lowered graph, on which the machine level gives the program's scores."""
    program, levels = lower(graph, pixel=PIXEL), random_levels(graph, PIXEL)
    mapping = map_program(program, MACHINE)
    q = arranged(program, program.input.encode_levels(levels).reshape(len(levels), -1)).astype(np.uint8)
    expected = run_levels(program, levels)[program.layers[-1].name]
    np.testing.assert_array_equal(run_machine(mapping, q).scores, expected.reshape(len(levels), -1))
    return mapping


@pytest.mark.parametrize("seed", range(30))
def test_random_networks(seed: int) -> None:
    check(random_net(seed))


@pytest.mark.parametrize("join", ["add", "concat"])
def test_the_input_is_copied_where_several_layers_read_it(join: str) -> None:
    net = Net(np.random.default_rng(0), (3, 4, 4))
    branch = net.quant(net.conv("x", 3, (3, 3), pads=(1, 1, 1, 1)), 0.25, -2, 5)
    joined = net.add("x", branch) if join == "add" else net.concat(branch, "x")
    mapping = check(net.end(net.bipolar(net.conv(joined, 4, (2, 2)))))
    assert [reads.count(-1) for reads in mapping.sources] == [1, *[0] * (len(mapping.layers) - 1)]
