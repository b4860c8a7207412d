"""Loop nests: trip counts by hand, the order of passes, and what tiling refuses."""

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.stored_tensors import StoredTensor
from bcsim.compiler.mapping.tiling import make_nest
from bcsim.compiler.program.geometry import Geometry, Pool
from bcsim.compiler.program.layers import Divide, Encoding, WeightPlane
from bcsim.machine.parameters import Machine
from tests.conv_programs import conv_layer

SOURCE = Encoding(3, Fraction(1), Fraction(0))
MACHINE = Machine(lanes=4, pes=8, digit=2, requantisers=2, spatial=True, shift_planes=True)
POOLED = Geometry(6, 6, (5,), kernel=(3, 3), pads=(1, 1, 1, 1), pool=Pool((2, 2), (2, 2)))


def nest(geometry: Geometry, outputs: int, bits: int = 3, **options: bool) -> LoopNest:
    """The nest of a layer of one plane whose requantiser divides."""
    layer = conv_layer(np.random.default_rng(0), geometry, outputs, SOURCE, bits, "layer", ("",))
    plane = WeightPlane.pack(np.ones((outputs, layer.inputs), np.int8))
    divide = Divide(bits, 0, np.zeros(outputs, np.int64), np.ones(outputs, np.int64))
    layer = replace(layer, planes=(plane,), requantiser=divide)
    return make_nest(layer, MACHINE, **{"scores": False, "packed": False} | options)


def test_a_pooled_convolution_by_hand() -> None:
    """5 channels are 2 chunks of 4 lanes, 3 bits 2 digits of 2; 17 outputs fill 20 lanes of 3 tiles of 8 elements."""
    found = nest(POOLED, 17)
    assert (found.taps, found.chunks, found.digits, found.planes, found.tiles) == (9, 2, 2, 1, 3)
    assert (found.positions, found.window, found.results) == (9, 4, 36)
    assert found.steps_per_tile == 9 * 2 * 2
    assert (found.passes, found.steps) == (36 * 3, 36 * 3 * 36)
    assert (found.rounds, found.rounds_full, found.rounds_last) == (10, 4, 2)
    assert (found.round_cycles, found.drain_full, found.drain_last) == (3, 12, 6)
    assert (found.tile_words, found.weight_words, found.streamed_words) == (18, 54, 0)
    assert (found.source_words, found.output_pixel_words, found.output_words) == (6 * 6 * 4, 10, 90)
    assert (found.parameter_words, found.parameter_span) == (1, 10)
    assert found.idle_lanes(4) == [3]


def test_passes_go_through_tiles_within_positions_and_the_other_way_where_weights_stream() -> None:
    resident = nest(POOLED, 17)
    streamed = replace(resident, streamed=True)
    order = [(p, t) for p in range(resident.positions) for t in range(resident.tiles)]
    assert [resident.first_pass(*pair) for pair in order] == list(range(0, resident.passes, 4))
    tiles_first = sorted(order, key=lambda pair: (pair[1], pair[0]))
    assert [streamed.first_pass(*pair) for pair in tiles_first] == list(range(0, streamed.passes, 4))
    for found, pairs in ((resident, order), (streamed, tiles_first)):
        assert [found.tile_of(number) for number in range(found.passes)] == [
            tile for _, tile in pairs for _ in range(4)
        ]
    assert streamed.streamed_words == streamed.weight_words == 54


def test_scores_are_written_whole_and_nowhere() -> None:
    found = nest(Geometry(1, 1, (9,)), 3, 16, scores=True)
    assert (found.target_digits, found.output_pixel_words, found.rounds, found.tiles) == (1, 0, 2, 1)


def test_packed_windows_are_one_tap() -> None:
    found = nest(replace(POOLED, channels=(1,)), 4, packed=True)
    assert (found.taps, found.chunks, found.geometry.pads) == (1, 3, (0, 0, 0, 0))
    assert (found.positions, found.window) == (9, 4)


def test_a_shared_tensor_has_chunks_beyond_the_channels() -> None:
    layer = conv_layer(np.random.default_rng(0), Geometry(2, 2, (3,)), 3, SOURCE, 3, "layer", ("",))
    wide, narrow = StoredTensor(chunks=3, fill=2), StoredTensor(chunks=2, fill=5)
    found = make_nest(layer, MACHINE, scores=False, packed=False, sources=[wide], output=narrow)
    assert (found.chunks, found.chunks_in_source, found.source_fills) == (1, 3, (2,))
    assert (found.output_pixel_words, found.rounds, found.fill) == (4, 4, 5)


def test_tiles_of_whole_groups_read_only_their_channels() -> None:
    """8 elements are 2 groups of 4 outputs, which read 8 channels: 2 chunks of 4 lanes, of the 4 of the source.

    Of 12 channels a tile reads 6, which begin and end within a chunk: it reads all.
    """
    found = nest(Geometry(2, 2, (16,), groups=4), 16)
    assert (found.tiles, found.chunks, found.tile_chunks, found.factor, found.planes) == (2, 2, 2, 2, 2)
    uneven = nest(Geometry(2, 2, (12,), groups=4), 16)
    assert (uneven.chunks, uneven.tile_chunks) == (3, 0)


def test_scores_at_several_positions_are_refused() -> None:
    whole = (
        "Layer 'layer' gives scores at 2 x 3 positions; the machine takes networks that end in one position"
    )
    with pytest.raises(BcsimError, match=f"^{re.escape(whole)}$"):
        nest(Geometry(2, 3, (4,)), 3, 16, scores=True)
