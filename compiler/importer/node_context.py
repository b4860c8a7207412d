"""One ONNX node with its operands resolved: what an operator's lowering function sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import FloatArray, Node
from bcsim.compiler.importer.layouts import channel_axis, image, with_channel_first
from bcsim.compiler.importer.values import (
    Activation,
    Array,
    Codes,
    Constant,
    Patches,
    Scores,
    Shape,
    Truth,
    Value,
)

__all__ = ["Lowered", "NodeContext", "label", "whole_numbers"]

LIMIT = 1 << 63
"""Of the magnitude of what int64 holds."""


def label(node: NodeProto) -> str:
    """The node's name, or its first output's where it has none."""
    return str(node.name or next(iter(node.output), ""))


def whole_numbers(array: Array, what: str) -> list[int]:
    """The values of an array, called `what` in messages, one after the other. Raises BcsimError where one is no
    int64."""
    values = array.ravel().tolist()
    if not all(-LIMIT <= value < LIMIT and value == int(value) for value in values):
        raise BcsimError(f"{what} must hold whole numbers of 64 bits")
    return [int(value) for value in values]


@dataclass(frozen=True, slots=True)
class Lowered:
    """What a node became: the value of its first output, and the graph nodes that compute it (none for a view).

    more : the values of its further outputs, in order.
    """

    value: Value
    nodes: tuple[Node, ...] = ()
    notes: tuple[str, ...] = ()
    more: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeContext:
    """An ONNX node in its place.

    operands : the values of its inputs, None for an optional one left out.
    opset : the version of the operator's own operator set.
    folder : where external tensors of its attributes lie.
    batch : the batch size that the file fixes, else 1.
    precision : the type that the file's floats have, such as "float32".
    weight_bits : that real weights are rounded to; None to refuse them.
    before : nodes that bring inputs into the graph's order; `image`, `channel_first` and `channels` add to them.
    """

    proto: NodeProto
    operands: tuple[Value | None, ...]
    opset: int
    folder: Path
    batch: int = 1
    precision: str = "float32"
    weight_bits: int | None = None
    before: list[Node] = field(default_factory=list)

    @property
    def name(self) -> str:
        return label(self.proto)

    @property
    def op(self) -> str:
        return str(self.proto.op_type)

    @property
    def output(self) -> str:
        return str(self.proto.output[0])

    def operand_name(self, index: int) -> str:
        return str(self.proto.input[index])

    def operand(self, index: int) -> Value | None:
        """Input `index`, None where it is left out."""
        return self.operands[index] if index < len(self.operands) else None

    def activation(self, index: int = 0) -> Activation:
        """Input `index`, which must depend on the network's input, be real-valued and have no zeros around it."""
        value = self.padded(index)
        if value.padded_by:
            raise BcsimError(
                f"it takes what node {value.padded_by!r} (Pad) has padded; "
                "accepted behind a Pad are Conv and AveragePool"
            )
        return value

    def padded(self, index: int = 0) -> Activation:
        """Like `activation`, for operators that take zeros around an image."""
        value = self.operand(index)
        if isinstance(value, Scores):
            raise BcsimError(f"it follows {value.by}, which is accepted only at the end of the network")
        if isinstance(value, Codes):
            raise BcsimError(
                "it takes integers from QuantizeLinear; a DequantizeLinear must stand between them"
            )
        if isinstance(value, Truth):
            raise BcsimError("it takes what a comparison gives; accepted behind that are Where, Not and Cast")
        if isinstance(value, Patches):
            raise BcsimError(
                f"it takes the windows of node {value.by!r} (Im2Col); accepted behind that is MatMul"
            )
        if not isinstance(value, Activation):
            raise BcsimError(f"input {index} must be a tensor that depends on the network's input")
        return value

    def constant(self, index: int, what: str) -> Array:
        """The known values of input `index`, called `what` in messages."""
        value = self.operand(index)
        if not isinstance(value, Constant) or len(value.arrays) != 1:
            found = "missing" if value is None else f"{self.operand_name(index)!r}, not a constant"
            raise BcsimError(f"its {what} must be a constant of the file, and is {found}")
        return value.arrays[0]

    def stored(self, index: int, what: str) -> Array:
        """Like `constant`, in the type that the file gives the values."""
        self.constant(index, what)
        value = self.operand(index)
        assert isinstance(value, Constant)
        return value.stored()

    def finite(self, index: int, what: str) -> FloatArray:
        """Like `constant`, as float64, refusing NaN and infinity."""
        array = self.constant(index, what).astype(np.float64, copy=False)
        if not np.isfinite(array).all():
            raise BcsimError(f"its {what} {self.operand_name(index)!r} has values that are NaN or infinite")
        return array

    def integers(self, index: int, what: str) -> list[int]:
        """Like `constant`, of whole numbers of 64 bits, in any type, one after the other."""
        return whole_numbers(self.constant(index, what), f"its {what} {self.operand_name(index)!r}")

    def scalar(self, index: int, what: str) -> float:
        """Like `finite`, of a single value."""
        array = self.finite(index, what)
        if array.size != 1:
            raise BcsimError(
                f"its {what} {self.operand_name(index)!r} has shape {array.shape}; accepted is one value per tensor"
            )
        return float(array.reshape(()))

    def shape(self, x: Activation) -> Shape:
        """The shape of an input, which must be known."""
        if x.shape is None:
            raise BcsimError("the shape of its input is not known, because a node before it is not supported")
        return x.shape

    def image(self, index: int = 0) -> Activation:
        """Like `padded`, as an image (C, H, W) in the graph."""
        x = self.padded(index)
        self.shape(x)
        arranged, nodes = image(x)
        self.before.extend(nodes)
        return arranged

    def channel_first(self, x: Activation, axis: int) -> tuple[Activation, NDArray[np.intp] | None]:
        """x with `axis` of the file's tensor first in the graph's, and the order that parameters take along it.

        None for the order that they have.
        """
        arranged, nodes, order = with_channel_first(x, axis)
        self.before.extend(nodes)
        return arranged, order

    def channels(self, index: int, what: str, x: Activation) -> tuple[Activation, FloatArray]:
        """x and, like `finite`, values that it takes one for all or one for each channel: shape () or (C,)."""
        array = self.finite(index, what)
        if array.size == 1 and (x.shape is None or array.ndim <= len(x.shape) + 1):
            return x, array.reshape(())
        if x.shape is None:
            return x, array.reshape(-1)
        axis = channel_axis(x.shape, array.shape)
        if axis is None:
            raise BcsimError(
                f"its {what} {self.operand_name(index)!r} has shape {array.shape} beside an input of shape {x.shape}; "
                "accepted are one value, or one for each channel"
            )
        arranged, order = self.channel_first(x, axis)
        return arranged, array.reshape(-1) if order is None else array.reshape(-1)[order]

    def attribute(self, name: str, default: Any = None) -> Any:
        """Attribute `name`, text decoded. Raises BcsimError where its type is not the default's."""
        for attribute in self.proto.attribute:
            if attribute.name == name:
                value = helper.get_attribute_value(attribute)
                value = value.decode(errors="replace") if isinstance(value, bytes) else value
                if default is not None and not _same_type(value, default):
                    raise BcsimError(f"its attribute {name!r} must be of type {type(default).__name__}")
                return value
        return default

    def has_attribute(self, name: str) -> bool:
        return any(attribute.name == name for attribute in self.proto.attribute)


def _same_type(value: Any, default: Any) -> bool:
    if isinstance(value, list):
        return isinstance(default, list) and all(isinstance(item, int) for item in value)
    return isinstance(value, type(default))
