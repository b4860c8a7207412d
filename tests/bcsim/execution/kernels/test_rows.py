"""Where tensors lie among the rows of a block."""

from fractions import Fraction
from itertools import combinations

import numpy as np

from bcsim.compiler.program.dependencies import INPUT, last_reader, layer_reads
from bcsim.compiler.program.geometry import Geometry, Pool
from bcsim.compiler.program.layers import ConvLayer, Encoding, InputCoding, Program
from bcsim.execution.kernels.rows import place_rows
from tests.conv_programs import conv_layer
from tests.programs import random_program

SOURCE = Encoding(2, Fraction(1), Fraction(0))


def _residual() -> Program:
    """64 values, a pooled and an unpooled layer of the same size, an addition, scores."""
    rng = np.random.default_rng(0)
    point = Geometry(4, 4, (4,))
    pooled = Geometry(4, 4, (4,), pads=(1, 1, 1, 1), pad_level=3, pool=Pool((3, 3), (1, 1)))
    both = Geometry(4, 4, (4, 4), groups=4)

    def layer(geometry: Geometry, outputs: int, name: str, *reads: str) -> ConvLayer:
        return conv_layer(rng, geometry, outputs, SOURCE, 2, name, reads)

    layers = (
        layer(pooled, 4, "pooled", ""),
        layer(point, 4, "branch", "pooled"),
        layer(both, 4, "sum", "pooled", "branch"),
        layer(Geometry(4, 4, (4,), (4, 4)), 10, "scores", "sum"),
    )
    return Program("residual", InputCoding(SOURCE, SOURCE), (4, 4, 4), layers)


def test_what_layers_read() -> None:
    reads = layer_reads(_residual())
    assert reads == ((INPUT,), (0,), (0, 1), (2,))
    assert last_reader(reads) == {INPUT: 0, 0: 2, 1: 2, 2: 3}


def test_a_dense_layer_reads_the_one_before() -> None:
    program = random_program(np.random.default_rng(3), layers=3)
    assert layer_reads(program) == tuple((index - 1,) for index in range(len(program.layers)))


def test_tensors_that_live_together_lie_apart_and_others_share() -> None:
    program = _residual()
    rows = place_rows(program, layer_reads(program))
    assert rows.fixed == {0: 0, 3: 1}
    image = rows.bases[INPUT], 64
    pooled, branch, total, scores = zip(rows.bases[:-1], (64, 64, 64, 10), strict=True)
    unpooled = rows.unpooled[0], 6 * 6 * 4
    for together in [(image, unpooled, pooled), (pooled, branch, total), (total, scores)]:
        for (a, a_size), (b, b_size) in combinations(together, 2):
            assert a + a_size <= b or b + b_size <= a
    assert rows.count == 2 + 64 + 144 + 64
