"""Constant folding: nodes that depend on nothing but the file's own values, computed by ONNX's reference evaluator.

Floats are widened to float64 before any arithmetic but what chooses an integer or a side, such as a quotient and its
rounding: that has the file's own precision. What a node may produce is bounded before it is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper
from onnx.reference import ReferenceEvaluator

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.onnx_file import OnnxFile, tensor_array, tensor_elements, type_name
from bcsim.compiler.importer.node_context import NodeContext
from bcsim.compiler.importer.qonnx import fold_bipolar, fold_quant
from bcsim.compiler.importer.registry import QONNX, domain_of
from bcsim.compiler.importer.values import NARROW, Array, Constant

__all__ = ["MAX_FOLDED", "Folded", "fold", "folding_room"]

# 2 GiB of float64, above any dense layer that fits a device.
MAX_FOLDED = 2**28
# What the smallest file may have computed, and for each byte of a larger one: weights of 4 bits pass through a few
# operators on their way.
LEAST_FOLDED, FOLDED_PER_BYTE = 2**22, 16

Operands: TypeAlias = list[Array | None]
Estimate: TypeAlias = Callable[[NodeContext, list[Array]], int]


@dataclass(frozen=True, slots=True)
class Folded:
    """The values of a node's outputs and what a user should know of them."""

    values: tuple[Constant, ...]
    notes: tuple[str, ...] = ()


def _largest(context: NodeContext, arrays: list[Array]) -> int:
    return sum(array.size for array in arrays)


def _broadcast(context: NodeContext, arrays: list[Array]) -> int:
    return math.prod(np.broadcast_shapes(*(array.shape for array in arrays)))


def _gathered(context: NodeContext, arrays: list[Array]) -> int:
    data, indices = arrays
    return int(data.size // max(1, data.shape[context.attribute("axis", 0)]) * indices.size)


def _product(array: Array) -> int:
    if array.size > 64:
        raise BcsimError(f"its shape has {array.size} axes; accepted are up to 64")
    return math.prod(int(value) for value in array.ravel())


def _expanded(context: NodeContext, arrays: list[Array]) -> int:
    return arrays[0].size * max(1, _product(arrays[1]))


def _filled(context: NodeContext, arrays: list[Array]) -> int:
    return _product(arrays[0])


def _ranged(context: NodeContext, arrays: list[Array]) -> int:
    start, limit, delta = (float(array.reshape(())) for array in arrays)
    return max(0, math.ceil((limit - start) / delta)) if delta else 0


_ELEMENTWISE = (
    "Abs Add And Ceil Clip Div Equal Exp Floor Greater GreaterOrEqual Less LessOrEqual Log Max Mean Min Mod Mul Neg "
    "Not Or Pow Reciprocal Relu Round Sign Sqrt Sub Sum Where Xor"
)
_REARRANGING = (
    "Cast CastLike Concat DequantizeLinear Flatten Identity QuantizeLinear ReduceMax ReduceMean ReduceMin ReduceProd "
    "ReduceSum Reshape Shape Size Slice Split Squeeze Transpose Unsqueeze"
)
_ESTIMATES: Mapping[str, Estimate] = {
    **dict.fromkeys(_ELEMENTWISE.split(), _broadcast),
    **dict.fromkeys(_REARRANGING.split(), _largest),
    "Gather": _gathered,
    "Expand": _expanded,
    "Tile": _expanded,
    "ConstantOfShape": _filled,
    "Range": _ranged,
}
# These choose between neighbouring results, so they see their operands as the file's own arithmetic leaves them.
_COMPARING = "Equal Greater GreaterOrEqual Less LessOrEqual"
_DECIDING = frozenset(f"{_COMPARING} Ceil Div Floor Mod QuantizeLinear Reciprocal Round Sign".split())
# Through these a stored weight keeps its sign, unless it becomes 0.
_KEEPS_SIGN = ("Cast", "Clip", "Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_CONSTANT_TYPES = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


def folding_room(file: OnnxFile) -> int:
    """How many values the constants of a file may take, by its size: a file of kilobytes can ask for any number."""
    return min(MAX_FOLDED, LEAST_FOLDED + FOLDED_PER_BYTE * file.stored_bytes)


def fold(context: NodeContext, available: int = MAX_FOLDED) -> Folded:
    """The outputs of a node whose operands are all Constant (or left out).

    available : how many elements more may be produced. Raises BcsimError for operators that are not folded, for
    results beyond `available`, and where the operator rejects its operands.
    """
    domain = domain_of(context.proto)
    if domain in QONNX and context.op in ("BipolarQuant", "Quant", "IntQuant"):
        folding = fold_bipolar if context.op == "BipolarQuant" else fold_quant
        return Folded((Constant.of(folding(context)),))
    if not domain and context.op == "Constant":
        return Folded((_constant(context, available),))
    if domain or context.op not in _ESTIMATES:
        raise BcsimError(
            "its inputs are all constants, and this operator is not computed at compile time; computed are those that "
            "work element by element, rearrange, reduce or quantise"
        )
    return _fold_standard(context, available)


def _constant(context: NodeContext, available: int) -> Constant:
    tensor = context.attribute("value")
    if isinstance(tensor, TensorProto):
        _check_room(tensor_elements(tensor), available)
        return Constant.of(
            tensor_array(tensor, context.folder), kind=type_name(tensor.data_type), latent=True
        )
    for name, dtype in _CONSTANT_TYPES.items():
        if context.has_attribute(name):
            return Constant.of(np.asarray(context.attribute(name), dtype=dtype))
    raise BcsimError(f"it must have a tensor or one of {', '.join(_CONSTANT_TYPES)}")


def _check_room(elements: int, available: int) -> None:
    if elements > available:
        raise BcsimError(
            f"it would produce {elements} values; constants of a file of this size may take up to {available} more"
        )


def _fold_standard(context: NodeContext, available: int) -> Folded:
    operands = [value if isinstance(value, Constant) else None for value in context.operands]
    first = operands[0] if operands else None
    if context.op == "Identity" and first:
        return Folded((first,))
    probes = max((len(value.arrays) for value in operands if value), default=1)
    widens = context.op not in _DECIDING
    runs = [
        _run(context, [_at(value, probe, widens) for value in operands], available) for probe in range(probes)
    ]
    latent = bool(first and first.latent) and context.op in _KEEPS_SIGN and _same_zeros(operands[0], runs[0])
    outputs = [
        Constant.of(*arrays, kind=_kind(arrays, operands), latent=latent)
        for arrays in zip(*runs, strict=True)
    ]
    folded = Folded(tuple(outputs))
    return _signed(context, folded) if context.op == "Sign" and first and first.latent else folded


def _at(value: Constant | None, probe: int, widens: bool) -> Array | None:
    if value is None:
        return None
    if not widens:
        return value.stored(probe)
    array = value.arrays[min(probe, len(value.arrays) - 1)]
    return array.astype(np.float64, copy=False) if array.dtype.kind == "f" else array


def _kind(arrays: Sequence[Array], operands: Sequence[Constant | None]) -> str | None:
    """The type that the file gives a result in float64, None where it has that of its arrays."""
    kinds = [value.kind for value in operands if value and value.kind in NARROW]
    return kinds[0] if kinds and arrays[0].dtype == np.float64 else None


def _same_zeros(before: Constant | None, after: list[Array]) -> bool:
    """Whether no weight became 0, as a Clip from 0 up or a Cast to integers would have it."""
    return before is not None and np.sum(before.arrays[0] == 0) == np.sum(after[0] == 0)


def _signed(context: NodeContext, folded: Folded) -> Folded:
    """Sign of a stored weight matrix, with +1 for a weight of 0: BinaryConnect's w >= 0, where ONNX has Sign(0) = 0."""
    signs = folded.values[0].arrays[0]
    zeros = int(np.sum(signs == 0))
    if not zeros or signs.ndim < 2:
        return folded
    note = (
        f"Node {context.name!r} (Sign): {zeros} of the {signs.size} weights in {context.operand_name(0)!r} are 0 "
        "and count as +1 (BinaryConnect's w >= 0; ONNX's Sign(0) is 0)"
    )
    return Folded((Constant.of(np.where(signs == 0, 1.0, signs)),), (note,))


def _run(context: NodeContext, operands: Operands, available: int) -> list[Array]:
    """The node's outputs, by ONNX's reference evaluator."""
    try:
        _check_room(
            _ESTIMATES[context.op](context, [array for array in operands if array is not None]), available
        )
        with np.errstate(all="ignore"):
            return [np.asarray(out) for out in _evaluate(context, operands)]
    except BcsimError:
        raise
    except Exception as error:
        # The reference evaluator raises anything, from IndexError to kinds of its own, for operands it cannot take.
        first = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise BcsimError(f"it cannot be computed from its constants ({first})") from None


def _evaluate(context: NodeContext, operands: Operands) -> list[Array]:
    node = NodeProto()
    node.CopyFrom(context.proto)
    node.domain = ""
    feeds = {name: array for name, array in zip(node.input, operands, strict=True) if array is not None}
    inputs = [ValueInfoProto(name=name) for name in feeds]
    outputs = [ValueInfoProto(name=name) for name in node.output]
    graph = helper.make_graph([node], "constant", inputs, outputs)
    # The evaluator has these from version 19 on only; earlier versions are special cases of 21.
    opset = max(context.opset, 21) if context.op in ("DequantizeLinear", "QuantizeLinear") else context.opset
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    return list(ReferenceEvaluator(model).run(None, feeds))
