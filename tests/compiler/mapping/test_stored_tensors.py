"""Stored tensors: chunks that layers share, and the level that lanes beyond the channels hold."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bcsim.compiler.mapping.stored_tensors import StoredTensor, stored_tensors
from bcsim.compiler.program.dependencies import INPUT, Reads
from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import ConvLayer, Encoding
from tests.conv_programs import conv_layer

SOURCE = Encoding(3, Fraction(1), Fraction(0))
LANES = 4


def layer(channels: tuple[int, ...], outputs: int, padded: int | None = None) -> ConvLayer:
    """A layer over a position, or over windows padded with a level."""
    geometry = Geometry(4, 4, channels)
    if padded is not None:
        geometry = replace(geometry, kernel=(3, 3), pads=(1, 1, 1, 1), pad_level=padded)
    return conv_layer(np.random.default_rng(0), geometry, outputs, SOURCE, 3, "layer", ("",) * len(channels))


def test_a_tensor_alone_takes_as_many_chunks_as_its_channels_need() -> None:
    layers = [layer((5,), 4), layer((4,), 9)]
    found = stored_tensors(layers, ((INPUT,), (0,)), LANES)
    assert found == {INPUT: StoredTensor(2, 0), 0: StoredTensor(1, 0), 1: StoredTensor(3, 0)}


def test_chunks_spread_through_layers_that_share_a_tensor() -> None:
    """c has 14 channels; b is read with c, and a with b."""
    layers = [layer((4,), 3), layer((4,), 6), layer((4,), 14), layer((3, 6), 2), layer((6, 14), 1)]
    reads: Reads = ((INPUT,), (INPUT,), (INPUT,), (0, 1), (1, 2))
    found = stored_tensors(layers, reads, LANES)
    assert [found[tensor].chunks for tensor in (INPUT, 0, 1, 2, 3, 4)] == [1, 4, 4, 4, 1, 1]


@pytest.mark.parametrize(
    ("first", "second", "fill"), [(None, None, 0), (6, None, 6), (None, 2, 2), (6, 6, 6), (2, 6, 6)]
)
def test_lanes_hold_the_level_that_a_reader_pads_with(
    first: int | None, second: int | None, fill: int
) -> None:
    layers = [layer((4,), 3), layer((3,), 3, first), layer((3,), 3, second)]
    assert stored_tensors(layers, ((INPUT,), (0,), (0,)), LANES)[0].fill == fill


def test_the_loader_fills_the_inputs_lanes_with_0() -> None:
    assert stored_tensors([layer((3,), 3, padded=6)], ((INPUT,),), LANES)[INPUT].fill == 0
