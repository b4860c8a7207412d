"""A network and a machine small enough to count by hand: pooled convolution, searched convolution, scores.

conv reads 3 x 3 x 6 of 8 bits with kernels of 2 x 2 and a row of padding on top: 3 x 2 windows, pooled by 1 x 2 to
3 x 1 x 5 of 4 bits; weights of 2 planes. search makes 3 x 1 x 3 of 2 bits of them with 1 x 1 kernels, over
thresholds. scores reads all of it, for 3 scores of 16 bits.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.compiler.program.geometry import Geometry, Pool
from bcsim.compiler.program.layers import (
    ConvLayer,
    DenseLayer,
    Divide,
    Encoding,
    InputCoding,
    Program,
    Requantiser,
    Search,
    WeightPlane,
)
from bcsim.machine.parameters import Machine

__all__ = ["MACHINE", "padded_mapping", "small_mapping", "streamed_mapping", "strip_mapping"]

MACHINE = Machine(
    lanes=4,
    pes=4,
    digit=4,
    activation_bits=8,
    accumulator_bits=16,
    fraction_bits=8,
    requantisers=2,
    activation_words=256,
    weight_words=64,
    parameter_words=64,
    layers=4,
    input_bytes=2,
    outputs=8,
    shift_planes=True,
    spatial=True,
)


def encoding(bits: int) -> Encoding:
    return Encoding(bits, Fraction(1), Fraction(0))


def dense_layer(name: str, inputs: int, outputs: int, bits: tuple[int, int], planes: int) -> DenseLayer:
    """Weights of +1 in planes of 2**(planes - 1) to 1, and a division by 1."""
    source, target = map(encoding, bits)
    ones = np.ones((outputs, inputs), np.int8)
    divide = Divide(target.bits, 0, np.zeros(outputs, np.int64), np.ones(outputs, np.int64))
    packed = tuple(WeightPlane.pack(ones, shift) for shift in reversed(range(planes)))
    high = inputs * (source.levels - 1) * (2**planes - 1)
    return DenseLayer(name, inputs, outputs, source, target, packed, divide, 0, high, True, name)


def conv_layer(layer: DenseLayer, geometry: Geometry, reads: str, requantiser: Requantiser) -> ConvLayer:
    return ConvLayer(
        **{name: getattr(layer, name) for name in DenseLayer.__slots__ if name != "requantiser"},
        requantiser=requantiser,
        windows=geometry,
        sources=(reads,),
        minimum=np.zeros(layer.outputs, bool) if geometry.pool else None,
    )


def small_program() -> Program:
    conv = dense_layer("conv", 24, 5, (8, 4), 2)
    search = dense_layer("search", 5, 3, (4, 2), 1)
    scores = dense_layer("scores", 9, 3, (2, 16), 1)
    pooled = Geometry(3, 3, (6,), kernel=(2, 2), pads=(1, 0, 0, 0), pool=Pool((1, 2), (1, 2)))
    thresholds = Search(2, np.tile(np.arange(1, 4, dtype=np.int64), (3, 1)))
    layers = (
        conv_layer(conv, pooled, "", conv.requantiser),
        conv_layer(search, Geometry(3, 1, (5,)), "conv", thresholds),
        conv_layer(scores, Geometry(3, 1, (3,), kernel=(3, 1)), "search", scores.requantiser),
    )
    return Program("small", InputCoding(conv.source, conv.source), (6, 3, 3), layers)


def padded_mapping() -> Mapping:
    """4 x 3 x 8 of 8 bits, 3 x 3 kernels, padded by 1 all round, pooled by 2 x 2 in steps of 2 and 1; 2 scores."""
    conv, scores = dense_layer("conv", 72, 4, (8, 4), 1), dense_layer("scores", 16, 2, (4, 16), 1)
    pooled = Geometry(4, 3, (8,), kernel=(3, 3), pads=(1, 1, 1, 1), pool=Pool((2, 2), (2, 1)))
    layers = (
        conv_layer(conv, pooled, "", conv.requantiser),
        conv_layer(scores, Geometry(2, 2, (4,), kernel=(2, 2)), "conv", scores.requantiser),
    )
    program = Program("padded", InputCoding(conv.source, conv.source), (8, 4, 3), layers)
    return map_program(program, MACHINE)


def small_mapping() -> Mapping:
    return map_program(small_program(), MACHINE)


def strip_mapping(drains: int = 1) -> Mapping:
    """`wide_program` where a weight word serves two positions."""
    return map_program(wide_program(), replace(MACHINE, reuse=2, drains=drains))


def wide_program() -> Program:
    """6 x 2 x 5 of 8 bits, kernels of 2 x 2: 1 x 5 positions of 4 bits, in strips of 2, 2 and 1; 2 scores."""
    conv, scores = dense_layer("conv", 20, 5, (8, 4), 2), dense_layer("scores", 25, 2, (4, 16), 1)
    layers = (
        conv_layer(conv, Geometry(2, 6, (5,), kernel=(2, 2)), "", conv.requantiser),
        conv_layer(scores, Geometry(1, 5, (5,), kernel=(1, 5)), "conv", scores.requantiser),
    )
    return Program("wide", InputCoding(conv.source, conv.source), (5, 2, 6), layers)


def streamed_mapping() -> Mapping:
    """8 values to 16, all of 8 bits, weights of 3 planes that stream in words of 2 bytes, and to 3 scores; 8 lanes."""
    layers = (dense_layer("hidden", 8, 16, (8, 8), 3), dense_layer("scores", 16, 3, (8, 16), 1))
    program = Program("streamed", InputCoding(encoding(8), encoding(8)), (8,), layers)
    machine = replace(MACHINE, lanes=8, spatial=False, weight_words=8, weight_stream_bytes=2)
    return map_program(program, machine)
