"""Lowering: a float graph to an exact integer program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from bcsim.common.errors import BcsimError
from bcsim.common.metadata import CHECKED_KEY, SCORE_ERROR_KEY
from bcsim.compiler.graph.nodes import FloatArray, Graph
from bcsim.compiler.lowering.assemble import Assembler
from bcsim.compiler.lowering.calibrate import RangeMethod, Ranging, calibration_values
from bcsim.compiler.lowering.fusion import FusedGraph, fuse_layers
from bcsim.compiler.lowering.merged_means import merge_means
from bcsim.compiler.lowering.prepare import prepare_graph
from bcsim.compiler.lowering.quantiser_grids import input_coding, input_values
from bcsim.compiler.lowering.tensor_encodings import (
    Encodings,
    padded_tensors,
    plan_encodings,
    rounded_together,
)
from bcsim.compiler.lowering.value_sets import MOST_BITS, known_values
from bcsim.compiler.program.check import check_program
from bcsim.compiler.program.layers import Encoding, InputCoding, Program

__all__ = ["MissingCalibrationError", "lower"]


MOST_NAMES = 8
"""Tensors that a note names one by one."""


class MissingCalibrationError(BcsimError):
    """A tensor that the network does not quantise has no calibration images to take its range from."""


def lower(
    graph: Graph,
    *,
    pixel: Encoding,
    bits: Sequence[int] | None = None,
    calibration: FloatArray | None = None,
    range_method: RangeMethod = "mse",
    percentile: float = 99.9,
) -> Program:
    """The integer program of `graph`, checked as one that comes from a file.

    pixel : the encoding of the raw input, e.g. 8 bits, scale 1/255, offset 0.
    bits : 1 to 8, of the input of every layer with weights, the network's own first; a single entry is for all but
        the network's input. By default the pixel's bits and 8.
    calibration : images, float64 (n, *graph.input_shape), from which tensors that the network does not
        quantise get their ranges; the scores get a tighter range from them too.
    range_method, percentile : see `Ranging`.
    Raises BcsimError for networks that cannot be lowered, bits that do not fit, missing calibration, and layers beyond
    the limits of `check_program`.
    """
    graph = prepare_graph(graph)
    ranging = Ranging(range_method, percentile)
    fused, given, coding, known = _analysed(graph, pixel, bits)
    rounded = {name for name, values in known.items() if values is None and name not in given}
    merged = merge_means(graph, rounded)
    if merged is not graph:
        graph = merged
        fused, given, coding, known = _analysed(graph, pixel, bits)
    tensor = fused.path.tensor
    together = rounded_together(fused.layers, known, tensor)
    samples = _calibrate(graph, fused, known, together, calibration)
    stream = tensor, coding.stream
    encodings = plan_encodings(fused.layers, stream, known, given, samples, ranging)
    built = Assembler(fused, encodings, known, samples.get(fused.layers[-1].output))
    for layer in fused.layers:
        built.add(layer)
    notes = (
        *graph.notes,
        *_rounded_notes(fused, known, encodings),
        *_together_notes(together, known, samples),
        *built.notes,
    )
    metadata = {**graph.metadata, CHECKED_KEY: str(built.checked)}
    metadata.pop(SCORE_ERROR_KEY, None)
    if built.score_error is not None and all(layer.exact for layer in built.layers):
        metadata[SCORE_ERROR_KEY] = repr(built.score_error)
    coding = replace(coding, order=fused.path.order)
    program = Program(graph.name, coding, graph.input_shape, tuple(built.layers), notes, metadata)
    check_program(program)
    return program


def _analysed(
    graph: Graph, pixel: Encoding, bits: Sequence[int] | None
) -> tuple[FusedGraph, dict[str, int], InputCoding, dict[str, tuple[Fraction, ...] | None]]:
    """The layers to be, the bits given for tensors, the input's coding and the values that tensors can take."""
    fused = fuse_layers(graph)
    tensor, given = fused.path.tensor, _bits_by_tensor(bits, fused)
    padded = padded_tensors(fused.layers).get(tensor, frozenset())
    coding = input_coding(fused.path.elementwise, pixel, given.get(tensor), padded)
    return fused, given, coding, known_values(fused.layers[:-1], input_values(coding), tensor, given)


def _bits_by_tensor(bits: Sequence[int] | None, fused: FusedGraph) -> dict[str, int]:
    """The bits asked for the tensors that layers with weights read."""
    weighted = [layer for layer in fused.layers if layer.is_weighted]
    given: dict[str, int] = {}
    for layer, width in zip(weighted, _bits_by_layer(bits, len(weighted)), strict=True):
        for name in layer.sources:
            if width is None or (len(bits or ()) == 1 and name == fused.path.tensor):
                continue
            if given.setdefault(name, width) != width:
                raise BcsimError(
                    f"Tensor {name!r} is the input of several linear layers; --bits must give the same for all "
                    f"of them, not {given[name]} and {width}"
                )
    return given


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


def _calibrate(
    graph: Graph,
    fused: FusedGraph,
    known: Mapping[str, tuple[Fraction, ...] | None],
    together: Sequence[Sequence[str]],
    images: FloatArray | None,
) -> Mapping[str, FloatArray]:
    """Calibration values of every tensor that is rounded, and of the scores."""
    wanted = [name for name, values in known.items() if values is None]
    if images is not None and len(images):
        rounded = dict.fromkeys([*wanted, *(name for group in together for name in group)])
        return calibration_values(graph, images, [*rounded, fused.layers[-1].output])
    for name in wanted:
        raise MissingCalibrationError(
            f"Tensor {name!r} is not quantised by the network: its range needs calibration images (--calibrate)"
        )
    return {}


def _rounded_notes(
    fused: FusedGraph, known: Mapping[str, tuple[Fraction, ...] | None], encodings: Encodings
) -> list[str]:
    """A note on every tensor that the network does not quantise: rounded for a sum or mean, or for layers."""
    notes, named = [], set()
    for layer in fused.layers:
        for name in dict.fromkeys(layer.sources):
            if layer.linear is not None and not layer.is_weighted and known[name] is None:
                named.add(name)
                bits = encodings.own[name].bits
                notes.append(
                    f"Tensor {name!r} is rounded to {bits} bits before {layer.name!r} ({layer.linear.op})"
                )
    rest = [name for name, values in known.items() if values is None and name not in named]
    if rest:
        listed = ", ".join(f"{name!r} ({encodings.own[name].bits} bits)" for name in rest[:MOST_NAMES])
        listed += f" and {len(rest) - MOST_NAMES} more" * (len(rest) > MOST_NAMES)
        notes.append(f"The network does not quantise these tensors, so they are rounded: {listed}")
    return notes


def _together_notes(
    together: Sequence[Sequence[str]],
    known: Mapping[str, tuple[Fraction, ...] | None],
    samples: Mapping[str, FloatArray],
) -> list[str]:
    """A note for every group whose tensors the network quantises, but not alike."""
    source = "the calibration images" if samples else "all the values that their quantisers allow"
    return [
        f"Tensors {', '.join(map(repr, group))} are read together and have no common steps of 8 bits: they are rounded "
        f"to the range of {source}"
        for group in together
        if any(known[name] is not None for name in group)
    ]
