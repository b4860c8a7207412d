"""Record words: every field of a layer's records, by hand, on machines of every kind."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from bcsim.compiler.mapping.placed_layer import PlacedLayer
from bcsim.compiler.mapping.record_words import (
    drain_record,
    issue_record,
    stream_record,
    weight_stream_records,
)
from bcsim.compiler.mapping.tiling import make_nest
from bcsim.compiler.program.classes import NEVER
from bcsim.compiler.program.geometry import Geometry, Pool
from bcsim.compiler.program.layers import Divide, Encoding, WeightPlane
from bcsim.machine.parameters import Machine
from bcsim.machine.record_parts import WeightStreamFields, fields_of
from bcsim.machine.records import drain_fields, issue_fields, stream_fields, unpack
from bcsim.machine.widths import ADDRESS_BITS, COORDINATE_BITS
from tests.conv_programs import conv_layer

DENSE = Machine(lanes=4, pes=8, digit=2, requantisers=2)
SPATIAL = replace(DENSE, spatial=True)
STREAMED = replace(SPATIAL, weight_stream_bytes=2)
DENSE_STREAMED = replace(DENSE, weight_stream_bytes=2)
WINDOWS = Geometry(
    6, 7, (5,), kernel=(3, 2), stride=(2, 1), pads=(1, 2, 1, 0), pad_level=4, pool=Pool((2, 3), (2, 1))
)


def placed(machine: Machine, geometry: Geometry, *, streamed: bool = False) -> PlacedLayer:
    """A layer of 17 outputs and one plane that divides, at addresses that tell themselves apart."""
    source = Encoding(3, Fraction(1), Fraction(0))
    layer = conv_layer(np.random.default_rng(0), geometry, 17, source, 3, "layer", ("",))
    plane = WeightPlane.pack(np.ones((17, layer.inputs), np.int8))
    divide = Divide(3, 0, np.zeros(17, np.int64), np.ones(17, np.int64))
    nest = make_nest(replace(layer, planes=(plane,), requantiser=divide), machine, scores=False, packed=False)
    return PlacedLayer(
        nest=replace(nest, streamed=streamed),
        read_bases=(100, 200),
        source_stride=-8,
        write_base=300,
        wait=17,
        first_weight=40,
        first_parameter=6,
    )


def test_a_dense_layer() -> None:
    layer = placed(DENSE, Geometry(1, 1, (5,)))
    assert unpack(issue_fields(DENSE), issue_record(layer, DENSE, ())) == {
        "chunks": 1, "digits": 1, "planes": 0, "tiles": 2, "read_base": 100, "wait": 17, "drain_full": 12,
        "drain_last": 6, "doubles": 0, "first": 0, "scores": 0, "last": 0, "read_base_odd": 200,
    }  # fmt: skip
    assert unpack(drain_fields(DENSE), drain_record(layer, DENSE)) == {
        "tiles": 2, "rounds_full": 3, "rounds_last": 1, "search": 0, "bits": 2, "digits": 1, "write_base": 300,
        "scores": 0, "last": 0,
    }  # fmt: skip


def test_the_walk_of_windows() -> None:
    """A position has 2 chunks of 2 digits, 4 words; a row has 7 positions, 28 words. There is one row of outputs."""
    layer = placed(SPATIAL, WINDOWS)
    found = unpack(issue_fields(SPATIAL), issue_record(layer, SPATIAL, ()))
    expected = {
        "sources": 0, "kernel_rows": 2, "kernel_columns": 1, "window_rows": 1, "window_columns": 2, "rows": 0,
        "columns": 5, "source_stride": 2**ADDRESS_BITS - 8, "kernel_row_stride": 28, "kernel_column_stride": 4,
        "window_row_stride": 56, "window_column_stride": 4, "row_stride": 0, "column_stride": 4,
        "tile_stride": 0, "origin": 2**ADDRESS_BITS - 28 - 8, "top": 2**COORDINATE_BITS - 1,
        "left": 2**COORDINATE_BITS - 2, "height": 6, "width": 7,
        "down": 2, "right": 1, "pool_down": 0, "pool_right": 1, "pad_level": 4,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    drain = unpack(drain_fields(SPATIAL), drain_record(layer, SPATIAL))
    assert (drain["positions"], drain["window"], drain["tiles"]) == (5, 5, 2)


def test_streamed_tiles_go_around_the_positions() -> None:
    slots = (1000, 1100)
    for streamed in (False, True):
        layer = placed(STREAMED, WINDOWS, streamed=streamed)
        issue = unpack(issue_fields(STREAMED), issue_record(layer, STREAMED, slots))
        drain = unpack(drain_fields(STREAMED), drain_record(layer, STREAMED))
        inner, outer = (0, 2) if streamed else (2, 0)
        for record in (issue, drain):
            assert (record["tiles"], record["streamed_tiles"]) == (inner, outer)
        assert (drain["position_stride"], drain["tile_stride"]) == (10, 4)
        bases = slots if streamed else (40, 40)
        assert (issue["streamed"], issue["weight_base"], issue["weight_base_odd"]) == (int(streamed), *bases)


def test_a_dense_machine_walks_streamed_tiles_in_its_one_loop() -> None:
    layer = placed(DENSE_STREAMED, Geometry(1, 1, (5,)), streamed=True)
    issue = unpack(issue_fields(DENSE_STREAMED), issue_record(layer, DENSE_STREAMED, (1000, 1100)))
    assert (issue["tiles"], issue["streamed"], issue["weight_base_odd"]) == (2, 1, 1100)
    assert "streamed_tiles" not in issue


def test_the_stream_record() -> None:
    """17 classes: no score alone can be positive."""
    layer = placed(STREAMED, WINDOWS)
    word = stream_record([layer, layer], STREAMED, (1000, 1100), beats=84, position_beats=2)
    found = unpack(stream_fields(STREAMED), word)
    assert found.pop("positive") == NEVER
    assert found == {
        "beats": 83, "digits": 1, "base": 100, "base_odd": 200, "classes": 16, "position_beats": 1,
        "fingerprint": STREAMED.fingerprint, "streams": 1, "slot_base": 1000, "slot_base_odd": 1100,
    }  # fmt: skip
    resident = unpack(stream_fields(STREAMED), stream_record([layer], STREAMED, (), 84, 2))
    assert (resident["streams"], resident["slot_base"], resident["slot_base_odd"]) == (0, 0, 0)


def test_only_the_last_streamed_layer_is_marked() -> None:
    nests = [placed(STREAMED, WINDOWS, streamed=streamed).nest for streamed in (True, False, True, False)]
    found = [unpack(fields_of(WeightStreamFields), word) for word in weight_stream_records(nests, STREAMED)]
    # The plane comes twice: lanes beyond the channels hold 0, its padding another level.
    assert found == [{"tiles": 2, "words": 23, "last": last} for last in (0, 1)]
