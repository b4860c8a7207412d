"""Types, shapes and meanings of a stored program's tensors, as Netron shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

from bcsim.compiler.program.layers import ConvLayer, DenseLayer, Encoding, Program

__all__ = ["FORMAT", "image_value", "layer_values", "stored_tensor"]

FORMAT = (
    "An integer program of bcsim. Encode makes integers q of the float image; every Dense and Conv node sums q times "
    "weights of -1 and +1, times powers of two, and requantises the sums to q again. A tensor means x = scale * q + "
    "offset. docs/programs.md describes the fields."
)
"""Doc string of the whole file."""

MEANINGS: Mapping[str, str] = {
    "weights": "(planes, outputs, bytes): bit i % 8, least first, of byte i // 8 is 1 where weight i is +1, 0 for -1; "
    "a plane counts 2**shift of the attribute shifts",
    "offset": "T of q = clip(floor((2**fraction_bits * accumulator - T) / D), 0, 2**bits - 1), for each output",
    "divisor": "D of q = clip(floor((2**fraction_bits * accumulator - T) / D), 0, 2**bits - 1), for each output",
    "thresholds": "(outputs, 2**bits - 1), ascending: q is how many of them are <= accumulator",
    "minimum": "1 for outputs whose pooling takes the minimum of q",
    "table": "q of every level of the input, one channel after the other where they differ",
    "order": "which value of the flattened image each value of the stream is",
}


def stored_tensor(name: str, array: NDArray[Any]) -> TensorProto:
    """The array under the name `place.what`, with what it means."""
    tensor = numpy_helper.from_array(array, name)
    tensor.doc_string = MEANINGS[name.rpartition(".")[2]]
    return tensor


def image_value(program: Program) -> ValueInfoProto:
    """The float image, as the float network takes it."""
    pixel = program.input.pixel
    doc = f"Floats; Encode takes the nearest of {pixel.levels} levels, x = {_line(pixel)}"
    return helper.make_tensor_value_info("image", TensorProto.FLOAT, ["images", *program.input_shape], doc)


def layer_values(program: Program) -> Iterator[ValueInfoProto]:
    """q0, the first layer's source, and q1 onwards, the layers' outputs; the last are the scores."""
    first = program.layers[0]
    windows = first.windows if isinstance(first, ConvLayer) else None
    image = (windows.height, windows.width, windows.channels[0]) if windows else (first.inputs,)
    yield _levels("q0", image, program.input.stream)
    for index, layer in enumerate(program.layers[:-1], 1):
        yield _levels(f"q{index}", _shape(layer), layer.target)
    last = program.layers[-1]
    shape = (*(last.geometry.output if last.geometry.output != (1, 1) else ()), last.outputs)
    scores = _levels(f"q{len(program.layers)}", shape, last.target)
    scores.type.tensor_type.elem_type = TensorProto.UINT16
    yield scores


def _shape(layer: DenseLayer) -> tuple[int, ...]:
    return (*layer.geometry.output, layer.outputs) if isinstance(layer, ConvLayer) else (layer.outputs,)


def _levels(name: str, shape: tuple[int, ...], encoding: Encoding) -> ValueInfoProto:
    kind = TensorProto.UINT8 if encoding.bits <= 8 else TensorProto.UINT16
    doc = f"q of {encoding.bits} bits, x = {_line(encoding)}"
    return helper.make_tensor_value_info(name, kind, ["images", *shape], doc)


def _line(encoding: Encoding) -> str:
    return f"{float(encoding.scale):.9g} * q + {float(encoding.offset):.9g}"
