"""A residual network from an ONNX file down to Verilog: the same integers on every level."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Graph
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.mapping.mapping import map_program
from bcsim.compiler.program.layers import Encoding, Program
from bcsim.execution.execute import execute
from bcsim.execution.raw_levels import arranged
from bcsim.machine.parameters import Machine
from bcsim.rtl.generate.project import Stimulus
from bcsim.rtl.generate.verify import verify
from bcsim.simulator.simulator import run_machine
from tests.compiler.build import imported
from tests.compiler.nets import channels_last
from tests.residual import residual_network

PIXEL = Encoding(8, Fraction(1, 128), Fraction(-1))
IMAGES = 3
MACHINE = Machine(
    name="residual",
    lanes=16,
    pes=8,
    digit=4,
    requantisers=4,
    input_bytes=4,
    spatial=True,
    activation_words=16384,
    weight_words=4096,
    parameter_words=1024,
    layers=48,
)


@pytest.fixture(scope="module")
def lowered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Graph, Program]:
    built = residual_network(np.random.default_rng(18), width=4, side=32)
    graph = imported(built, tmp_path_factory.mktemp("network"))
    return graph, lower(graph, pixel=PIXEL)


@pytest.fixture(scope="module")
def levels() -> np.ndarray:
    return np.random.default_rng(5).integers(0, PIXEL.levels, (IMAGES, 3, 32, 32))


def test_every_hidden_integer_is_the_float_network_s(
    lowered: tuple[Graph, Program], levels: np.ndarray
) -> None:
    graph, program = lowered
    assert all(layer.exact for layer in program.layers[:-1])
    q = arranged(program, program.input.encode_levels(levels).reshape(IMAGES, -1))
    expected = evaluate_graph(graph, PIXEL.decode(levels))
    for layer, values in zip(program.layers, execute(program, q, keep=True).hidden, strict=True):
        found = layer.target.decode(values).reshape(IMAGES, *layer.geometry.output, -1)
        np.testing.assert_allclose(found, channels_last(expected[layer.float_output]), rtol=0, atol=1e-9)


@pytest.mark.rtl
def test_hardware_equals_the_simulator_and_the_program(
    lowered: tuple[Graph, Program], levels: np.ndarray
) -> None:
    program = lowered[1]
    assert program.layers[1].geometry.pads == (1, 1, 1, 1)
    assert sum(len(layer.geometry.channels) == 2 for layer in program.layers) == 8
    q = arranged(program, program.input.encode_levels(levels).reshape(IMAGES, -1)).astype(np.uint8)
    mapping = map_program(program, MACHINE)
    assert mapping.packed
    np.testing.assert_array_equal(run_machine(mapping, q).scores, execute(program, q).scores)
    result = verify(mapping, Stimulus("random values", q))
    assert result.equal, result.difference
    assert result.hardware_cycles == result.simulator_cycles
