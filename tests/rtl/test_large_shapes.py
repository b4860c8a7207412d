"""Windows, strides and flattened lengths beyond the records' former fields, from the float graph down to Verilog."""

from __future__ import annotations

import numpy as np
import pytest

from bcsim.compiler.lowering.lower import lower
from bcsim.execution.raw_levels import arranged
from bcsim.machine.parameters import parse_machine
from bcsim.results.cost_report import map_enlarged
from bcsim.rtl.generate.project import Stimulus
from bcsim.rtl.generate.verify import verify
from tests.compiler.nets import PIXEL, Net, random_levels

MACHINE = parse_machine("tiny,spatial=true,accumulator_bits=24")


@pytest.mark.rtl
def test_long_sequences() -> None:
    net = Net(np.random.default_rng(7), (1, 1, 150))
    t = net.bipolar(net.affine(net.conv("x", 4, (1, 40), pads=(0, 20, 0, 19)), 1.0, 0.125))
    wide = net.bipolar(net.affine(net.conv(t, 3, (1, 36), (1, 20)), 1.0, 0.5))
    most, mean = (1, 150), net.quant(net.average(t, (1, 150), (1, 150)), 1 / 8, -4, 3)
    joined = net.concat(net.flatten(wide), net.flatten(net.max_pool(t, most, most)), net.flatten(mean))
    graph = net.graph(net.dense(net.concat(joined, net.flatten(t)), 3))
    program, levels = lower(graph, pixel=PIXEL), random_levels(graph, PIXEL, 2)
    mapping = map_enlarged(program, MACHINE)
    q = arranged(program, program.input.encode_levels(levels).reshape(len(levels), -1)).astype(np.uint8)
    result = verify(mapping, Stimulus("random values", q))
    assert result.equal, result.difference
    assert result.hardware_cycles == result.simulator_cycles
