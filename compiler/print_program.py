"""A program as short text, the same for the same program."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from bcsim.compiler.program import DenseLayer, Divide, Encoding, InputCoding, Program

__all__ = ["print_program"]


def print_program(program: Program) -> str:
    """One line for the program, one for its input, one for each layer and each note; ends with a newline.

    The digest of a layer covers its weights and its requantiser's parameters, so that two programs that print alike are
    alike.
    """
    return "\n".join(_lines(program)) + "\n"


def _lines(program: Program) -> Iterator[str]:
    shape = "x".join(map(str, program.input_shape))
    yield f"program {program.name}: {shape} -> {program.classes} classes"
    yield f"input {_input(program.input)}"
    for index, layer in enumerate(program.layers):
        yield f"{index} {_layer(layer)}"
    for note in program.notes:
        yield f"note {note}"


def _input(coding: InputCoding) -> str:
    how = "as it is" if coding.table is None else f"by table {_digest(coding.table.tobytes())}"
    return f"{_encoding(coding.pixel)} {how} -> {_encoding(coding.stream)}"


def _layer(layer: DenseLayer) -> str:
    shifts = ",".join(str(plane.shift) for plane in layer.planes)
    requantiser = layer.requantiser
    if isinstance(requantiser, Divide):
        how, parameters = f"divide F={requantiser.fraction_bits}", [requantiser.offset, requantiser.divisor]
    else:
        how, parameters = "search", [requantiser.thresholds]
    digest = _digest(*(plane.packed.tobytes() for plane in layer.planes), *(p.tobytes() for p in parameters))
    source, target = _encoding(layer.source), _encoding(layer.target)
    return (
        f"dense {layer.name}: {layer.inputs} x {source} -> {layer.outputs} x {target}, planes {shifts}, "
        f"accumulator {layer.low}..{layer.high}, {how}, {'exact' if layer.exact else 'rounded'}, {digest}"
    )


def _encoding(encoding: Encoding) -> str:
    return f"u{encoding.bits} ({float(encoding.scale):.6g}, {float(encoding.offset):.6g})"


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]
