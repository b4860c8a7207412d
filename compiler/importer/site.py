"""One ONNX node with its operands resolved: what an operator's lowering function sees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from bcsim.compiler.graph import FloatArray, Node
from bcsim.compiler.importer.values import Activation, Array, Codes, Constant, Scores, Shape, Value
from bcsim.errors import BcsimError

__all__ = ["Lowered", "Site", "label"]


def label(node: NodeProto) -> str:
    """The node's name, or its first output's where it has none."""
    return str(node.name or next(iter(node.output), ""))


@dataclass(frozen=True, slots=True)
class Lowered:
    """What a node became: the value of its first output, and the graph nodes that compute it (none for a view)."""

    value: Value
    nodes: tuple[Node, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Site:
    """An ONNX node in its place.

    operands : the values of its inputs, None for an optional one left out.
    opset : the version of the operator's own operator set.
    folder : where external tensors of its attributes lie.
    batch : the batch size that the file fixes, else 1.
    """

    proto: NodeProto
    operands: tuple[Value | None, ...]
    opset: int
    folder: Path
    batch: int = 1

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
        """Input `index`, which must depend on the network's input and be real-valued."""
        value = self.operand(index)
        if isinstance(value, Scores):
            raise BcsimError(f"it follows {value.by}, which is accepted only at the end of the network")
        if isinstance(value, Codes):
            raise BcsimError("it takes integers from QuantizeLinear; only DequantizeLinear may follow that")
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

    def finite(self, index: int, what: str) -> FloatArray:
        """Like `constant`, as float64, refusing NaN and infinity."""
        array = self.constant(index, what).astype(np.float64, copy=False)
        if not np.isfinite(array).all():
            raise BcsimError(f"its {what} {self.operand_name(index)!r} has values that are NaN or infinite")
        return array

    def scalar(self, index: int, what: str) -> float:
        """Like `finite`, of a single value."""
        array = self.finite(index, what)
        if array.size != 1:
            raise BcsimError(
                f"its {what} {self.operand_name(index)!r} has shape {array.shape}; accepted is one value per tensor"
            )
        return float(array.reshape(()))

    def channels(self, index: int, what: str, x: Activation) -> FloatArray:
        """Like `finite`, for values that x takes one for all or one for each channel: shape () or (C,)."""
        array = self.finite(index, what)
        if array.size == 1 and (x.shape is None or array.ndim <= len(x.shape) + 1):
            return array.reshape(())
        if x.shape is None or _per_channel(x.shape, array.shape):
            return array.reshape(-1)
        raise BcsimError(
            f"its {what} {self.operand_name(index)!r} has shape {array.shape} beside an input of shape {x.shape}; "
            "accepted are one value, or one for each channel of a flat tensor"
        )

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


def _per_channel(shape: Shape, constant: Shape) -> bool:
    return len(shape) == 1 and constant in (shape, (1, *shape))


def _same_type(value: Any, default: Any) -> bool:
    if isinstance(value, list):
        return isinstance(default, list) and all(isinstance(item, int) for item in value)
    return isinstance(value, type(default))
