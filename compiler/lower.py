"""Lowering: a float graph to an exact integer program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.calibrate import RangeMethod, Ranging, calibration_values, range_encoding
from bcsim.compiler.chains import Chain, split_chains
from bcsim.compiler.graph import FloatArray, Graph
from bcsim.compiler.grids import grid_encoding, input_coding, quantiser_values
from bcsim.compiler.linear import Linear, to_linear
from bcsim.compiler.pieces import Piece, to_pieces
from bcsim.compiler.planes import split_planes
from bcsim.compiler.program import DenseLayer, Encoding, Program, Requantiser, Search
from bcsim.compiler.requantise import count_wrong, fit_divide, largest_shift
from bcsim.compiler.scores import SCORE_BITS, score_encoding
from bcsim.errors import BcsimError

__all__ = ["CHECKED_KEY", "lower"]

IntArray: TypeAlias = NDArray[np.int64]

# The program's metadata entry that says how many thresholds were enumerated and compared.
CHECKED_KEY = "bcsim.checked_thresholds"

DEFAULT_BITS = 8
MOST_BITS = 8
# Tables of up to 15 thresholds are about as small as a divisor and an offset; larger ones are worth a note.
TABLE_BITS = 4
# Accumulator steps by which rounding that is not the network's own may be off nearest: a table costs more.
LEAST_SHIFT = 1 / 16


@dataclass(frozen=True, slots=True)
class _Stage:
    """A chain to lower, with the pieces of its elementwise nodes.

    values : the grid that the network itself quantises the output to, None where it does not.
    bits : of the output, where the user gave them.
    """

    chain: Chain
    pieces: list[Piece]
    values: tuple[Fraction, ...] | None
    bits: int | None
    last: bool


@dataclass(frozen=True, slots=True)
class _Target:
    """The encoding of a layer's output, whether the float network rounds to it, and what crosses its levels."""

    encoding: Encoding
    exact: bool
    thresholds: IntArray
    low: int
    high: int


def lower(
    graph: Graph,
    *,
    pixel: Encoding,
    bits: Sequence[int] | None = None,
    calibration: FloatArray | None = None,
    range_method: RangeMethod = "mse",
    percentile: float = 99.9,
) -> Program:
    """The integer program of `graph`.

    pixel : the encoding of the raw input, e.g. 8 bits, scale 1/255, offset 0.
    bits : 1 to 8, of every linear layer's input, the network's own first; a single entry is for all but the
        network's input. By default the pixel's bits and 8.
    calibration : images, float64 (n, *graph.input_shape), from which tensors that the network does not
        quantise get their ranges; the scores get a tighter range from them too.
    range_method, percentile : see `Ranging`.
    Raises BcsimError for networks that cannot be lowered, bits that do not fit, and missing calibration.
    """
    ranging = Ranging(range_method, percentile)
    head, chains = split_chains(graph)
    input_bits, *hidden_bits = _bits_by_layer(bits, len(chains))
    coding = input_coding(head, pixel, input_bits)
    stages = [
        _stage(chain, width, chain is chains[-1])
        for chain, width in zip(chains, [*hidden_bits, None], strict=True)
    ]
    values = _calibrate(graph, stages, calibration)
    layers: list[DenseLayer] = []
    notes = list(graph.notes)
    source, checked = coding.stream, 0
    for stage in stages:
        linear = to_linear(stage.chain.dense, stage.pieces, source)
        target = _target(stage, linear, values.get(stage.chain.output), ranging)
        layer, remarks = _layer(stage, linear, target)
        layers.append(layer)
        notes += remarks
        checked += target.thresholds.size
        source = layer.target
    metadata = {**graph.metadata, CHECKED_KEY: str(checked)}
    return Program(graph.name, coding, graph.input_shape, tuple(layers), tuple(notes), metadata)


def _bits_by_layer(bits: Sequence[int] | None, layers: int) -> list[int | None]:
    """The bits asked for each linear layer's input, None where nothing was asked."""
    if bits is None:
        return [None] * layers
    for value in bits:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_BITS:
            raise BcsimError(f"Each entry of --bits must be an integer from 1 to {MOST_BITS}, not {value!r}")
    if len(bits) == layers:
        return list(bits)
    if len(bits) == 1:
        return [None, *[bits[0]] * (layers - 1)]
    raise BcsimError(
        f"--bits must have 1 entry or {layers}, one for the input of each linear layer, not {len(bits)}"
    )


def _stage(chain: Chain, bits: int | None, last: bool) -> _Stage:
    pieces = to_pieces(chain.nodes)
    values = quantiser_values(pieces)
    grid = values and grid_encoding(values, SCORE_BITS if last else MOST_BITS)
    if grid and bits not in (None, grid.bits):
        raise BcsimError(
            f"Tensor {chain.output!r} is quantised to {grid.bits} bits by the network; "
            f"--bits must give {grid.bits} for it, not {bits}"
        )
    return _Stage(chain, pieces, values if grid else None, bits, last)


def _calibrate(graph: Graph, stages: Sequence[_Stage], images: FloatArray | None) -> Mapping[str, FloatArray]:
    """The calibration values of every tensor that the network does not quantise."""
    wanted = [stage for stage in stages if stage.values is None]
    if images is not None and len(images):
        return calibration_values(graph, images, [stage.chain.output for stage in wanted])
    for stage in wanted:
        if not stage.last:
            raise BcsimError(
                f"Tensor {stage.chain.output!r} is not quantised by the network: "
                "its range needs calibration images (--calibrate)"
            )
    return {}


def _target(stage: _Stage, linear: Linear, values: FloatArray | None, ranging: Ranging) -> _Target:
    if stage.values is not None:
        return _grid_target(linear, stage.values)
    if stage.last:
        encoding, exact = score_encoding([linear.line, *linear.pieces], *linear.bounds(), values)
        return _Target(encoding, exact, *linear.thresholds(encoding))
    assert values is not None
    encoding = range_encoding(values, stage.bits or DEFAULT_BITS, ranging)
    return _Target(encoding, False, *linear.thresholds(encoding))


def _grid_target(linear: Linear, values: tuple[Fraction, ...]) -> _Target:
    """The network's own grid; of three values, the two outer ones alone where no accumulator yields the middle."""
    encoding = grid_encoding(values, SCORE_BITS)
    assert encoding is not None
    thresholds, low, high = linear.thresholds(encoding)
    if len(values) == 3 and encoding.bits == 2 and not _reaches_middle(linear.weights, thresholds):
        encoding = Encoding(1, values[2] - values[0], values[0])
        thresholds = thresholds[:, :1]
    return _Target(encoding, True, thresholds, low, high)


def _reaches_middle(weights: IntArray, thresholds: IntArray) -> bool:
    """Whether a multiple of any output's common divisor lies between its first two thresholds."""
    stride = np.maximum(np.gcd.reduce(weights, axis=1), 1)
    first, second = thresholds[:, 0], thresholds[:, 1]
    return bool((-(-first // stride) * stride < second).any())


def _layer(stage: _Stage, linear: Linear, target: _Target) -> tuple[DenseLayer, list[str]]:
    requantiser, remarks = _requantiser(stage, target)
    outputs, inputs = linear.weights.shape
    layer = DenseLayer(
        name=stage.chain.dense.name,
        inputs=inputs,
        outputs=outputs,
        source=linear.source,
        target=target.encoding,
        planes=split_planes(linear.weights),
        requantiser=requantiser,
        low=target.low,
        high=target.high,
        exact=target.exact,
        float_output=stage.chain.output,
    )
    return layer, remarks


def _requantiser(stage: _Stage, target: _Target) -> tuple[Requantiser, list[str]]:
    """A division where it is right, or as good as right where the network has no rounding of its own; else a table."""
    thresholds, bits = target.thresholds, target.encoding.bits
    divide = fit_divide(thresholds, bits, target.low, target.high)
    wrong = count_wrong(divide, thresholds, target.low, target.high)
    if wrong == 0:
        return divide, []
    name = stage.chain.dense.name
    shift = largest_shift(divide, thresholds, target.low, target.high)
    if stage.values is None and (shift <= LEAST_SHIFT or bits == SCORE_BITS):
        return divide, [
            f"Layer {name!r}: {wrong} of {thresholds.size} levels of its float values begin up to {shift:.2g} "
            f"accumulator steps beside nearest-level rounding, as {divide.fraction_bits} fraction bits allow"
        ]
    table = Search(bits, thresholds)
    if bits <= TABLE_BITS:
        return table, []
    return table, [
        f"Layer {name!r}: its {bits}-bit steps are uneven, so each output keeps a table of "
        f"{thresholds.shape[1]} thresholds"
    ]
