"""A depthwise convolution of 8-bit weights, from the float graph down to Verilog."""

from __future__ import annotations

import numpy as np
import pytest

from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.mapping.mapping import map_program
from bcsim.execution.raw_levels import arranged
from bcsim.rtl.generate.project import Stimulus
from bcsim.rtl.generate.verify import verify
from tests.bcsim.simulator.test_simulator_lowered import MACHINE
from tests.compiler.nets import PIXEL, Net, check_exact, random_levels


@pytest.mark.rtl
def test_depthwise_layers_of_wide_weights() -> None:
    net = Net(np.random.default_rng(7), (2, 6, 5))
    t = net.quant(net.conv("x", 6, (2, 2), values=[-128, -9, 0, 31, 127]), 16.0, -8, 7)
    for values in ([-128, -77, 0, 1, 127], [-7, -3, 1, 5]):
        t = net.conv(t, 6, (3, 3), pads=(1, 1, 1, 1), groups=6, values=values)
        t = net.quant(net.norm(t), 32.0, -8, 7)
    graph = net.end(t)
    program, levels = lower(graph, pixel=PIXEL), random_levels(graph, PIXEL, 4)
    check_exact(program, graph, PIXEL, levels)
    mapping = map_program(program, MACHINE)
    assert [nest.planes for nest in mapping.nests[1:3]] == [9, 5]
    q = arranged(program, program.input.encode_levels(levels).reshape(len(levels), -1)).astype(np.uint8)
    result = verify(mapping, Stimulus("random values", q))
    assert result.equal, result.difference
    assert result.hardware_cycles == result.simulator_cycles
