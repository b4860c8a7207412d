"""A program as short text, the same for the same program."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from bcsim.common.escape import printable
from bcsim.compiler.program.layers import ConvLayer, DenseLayer, Divide, Encoding, InputCoding, Program

__all__ = ["layer_text", "program_text"]


def program_text(program: Program) -> str:
    """One line for the program, one for its input, one for each layer and each note; ends with a newline.

    Characters of names that a terminal obeys are written as escapes.

    The digest of a layer covers its weights and its requantiser's parameters, so that two programs that print alike are
    alike.
    """
    return "".join(f"{printable(line)}\n" for line in _lines(program))


def _lines(program: Program) -> Iterator[str]:
    shape = "x".join(map(str, program.input_shape))
    yield f"program {program.name}: {shape} -> {program.classes} classes"
    yield f"input {_input(program.input)}"
    for index, layer in enumerate(program.layers):
        yield f"{index} {layer_text(layer)}"
    for note in program.notes:
        yield f"note {note}"


def _input(coding: InputCoding) -> str:
    how = "as it is" if coding.table is None else f"by table {_digest(coding.table.tobytes())}"
    if coding.order is not None:
        how += f" in order {_digest(coding.order.tobytes())}"
    return f"{_encoding(coding.pixel)} {how} -> {_encoding(coding.stream)}"


def layer_text(layer: DenseLayer) -> str:
    """What a layer reads, gives and computes, and a digest of its weights and parameters, in one line."""
    shifts = ",".join(str(plane.shift) for plane in layer.planes)
    requantiser = layer.requantiser
    if isinstance(requantiser, Divide):
        how, parameters = f"divide F={requantiser.fraction_bits}", [requantiser.offset, requantiser.divisor]
    else:
        how, parameters = "search", [requantiser.thresholds]
    digest = _digest(*(plane.packed.tobytes() for plane in layer.planes), *(p.tobytes() for p in parameters))
    if isinstance(layer, ConvLayer) and layer.minimum is not None:
        digest = _digest(digest.encode(), layer.minimum.tobytes())
    return (
        f"{_shape(layer)}, planes {shifts}, accumulator {layer.low}..{layer.high}, {how}, "
        f"{'exact' if layer.exact else 'rounded'}, {digest}"
    )


def _shape(layer: DenseLayer) -> str:
    """What the layer reads and gives, and its windows where it has any."""
    source, target = _encoding(layer.source), _encoding(layer.target)
    if not isinstance(layer, ConvLayer):
        return f"dense {layer.name}: {layer.inputs} x {source} -> {layer.outputs} x {target}"
    geometry = layer.windows
    reads = ", ".join(name or "input" for name in layer.sources)
    size = _by(geometry.height, geometry.width, "+".join(map(str, geometry.channels)))
    given = _by(*geometry.output, layer.outputs)
    return f"conv {layer.name} of {reads}: {size} x {source} -> {given} x {target}{_windows(layer)}"


def _windows(layer: ConvLayer) -> str:
    """All that differs from one window of one position for each output."""
    geometry, parts = layer.windows, [""]
    parts.append(f"kernel {_by(*geometry.kernel)}")
    if geometry.stride != (1, 1):
        parts.append(f"stride {_by(*geometry.stride)}")
    if any(geometry.pads):
        parts.append(f"pads {','.join(map(str, geometry.pads))} of {geometry.pad_level}")
    if geometry.groups > 1:
        parts.append(f"groups {geometry.groups}")
    if geometry.pool:
        minima = 0 if layer.minimum is None else int(layer.minimum.sum())
        minimum_part = f" ({minima} by the minimum)" if minima else ""
        parts.append(f"pool {_by(*geometry.pool.kernel)} stride {_by(*geometry.pool.stride)}{minimum_part}")
    return ", ".join(parts)


def _by(*sizes: object) -> str:
    return "x".join(map(str, sizes))


def _encoding(encoding: Encoding) -> str:
    return f"u{encoding.bits} ({float(encoding.scale):.6g}, {float(encoding.offset):.6g})"


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]
