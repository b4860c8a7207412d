"""What a pooling apart from its convolution costs: the figures of docs/decisions.md."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bcsim.compiler.mapping.hazards import pass_intervals
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.tiling import make_nest
from bcsim.compiler.program.geometry import Geometry, Pool
from bcsim.compiler.program.layers import ConvLayer, Divide, Encoding, WeightPlane
from bcsim.machine.parameters import CONV, CONV_BNN, Machine
from tests.conv_programs import conv_layer, summing_layer

CHANNELS = 64
CONVOLUTION = Geometry(224, 224, (3,), (7, 7), (2, 2), (3, 3, 3, 3))
COPY = Geometry(112, 112, (CHANNELS,), groups=CHANNELS, pads=(1, 1, 1, 1), pool=Pool((3, 3), (2, 2)))
# One more window of the convolution on every side: what a pooling in it would compute and then leave out.
JOINED = replace(CONVOLUTION, pads=(5, 5, 5, 5), pool=Pool((3, 3), (2, 2)))


def cycles(layer: ConvLayer, bits: int, machine: Machine, *, packed: bool) -> int:
    """From a layer's first step to its last."""
    plane = WeightPlane.pack(np.ones((CHANNELS, layer.inputs), np.int8))
    divide = Divide(bits, 0, np.zeros(CHANNELS, np.int64), np.ones(CHANNELS, np.int64))
    layer = replace(layer, planes=(plane,), requantiser=divide)
    nest: LoopNest = make_nest(layer, machine, scores=False, packed=packed)
    return nest.steps_per_tile + int(pass_intervals(nest).sum())


@pytest.mark.parametrize(
    ("machine", "bits", "apart", "joined"),
    [(CONV, 8, 652_279, 451_581), (CONV, 4, 351_230, 282_240), (CONV_BNN, 1, 413_950, 677_376)],
    ids=["conv, 8 bits", "conv, 4 bits", "conv-bnn, 1 bit"],
)
def test_cycles_of_the_stem_of_resnet_18(machine: Machine, bits: int, apart: int, joined: int) -> None:
    rng = np.random.default_rng(0)
    pixels, levels = (Encoding(wide, Fraction(1), Fraction(0)) for wide in (8, bits))
    convolution = conv_layer(rng, CONVOLUTION, CHANNELS, pixels, bits, "conv", ("",))
    copy = summing_layer(rng, COPY, levels, bits, "pool", ("conv",))
    both = conv_layer(rng, JOINED, CHANNELS, pixels, bits, "conv", ("",))
    assert both.windows.output == copy.windows.output == (56, 56)
    found = cycles(convolution, bits, machine, packed=True) + cycles(copy, bits, machine, packed=False)
    assert (found, cycles(both, bits, machine, packed=True)) == (apart, joined)
