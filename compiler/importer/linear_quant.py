"""ONNX's own quantisers on activations: QuantizeLinear, DequantizeLinear, and a Clip of the integers between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Quant
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.values import Activation, Codes, Constant, Scores

__all__ = ["Grid", "clip_codes", "dequantised", "passed", "passes", "read_grid"]

_RANGES: Mapping[str, tuple[int, int]] = {
    "uint4": (0, 15),
    "int4": (-8, 7),
    "uint8": (0, 255),
    "int8": (-128, 127),
    "uint16": (0, 65535),
    "int16": (-32768, 32767),
}
# A Clip bounds no type of more bits.
LEAST = -(2.0**31)
_PASSING = frozenset(
    [
        "Concat",
        "Flatten",
        "GlobalMaxPool",
        "Identity",
        "MaxPool",
        "Reshape",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    ]
)
_OUTPUT_TYPES = {2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 21: "uint4", 22: "int4"}


@dataclass(frozen=True, slots=True)
class Grid:
    """Integers of `kind` that mean (integer - zero_point) * scale."""

    scale: float
    zero_point: int
    kind: str

    def codes(self, x: Activation) -> Codes:
        """x rounded to the grid."""
        if self.kind not in _RANGES:
            raise BcsimError(f"its zero point has the type {self.kind}; accepted are {', '.join(_RANGES)}")
        low, high = _RANGES[self.kind]
        return Codes(x, self.scale, self.zero_point, low - self.zero_point, high - self.zero_point)


def read_grid(context: NodeContext, scale: int, zero_point: int) -> Grid:
    """The grid that the inputs `scale` and `zero_point` of a node give, 8 bits unsigned without the latter."""
    step = context.scalar(scale, "scale")
    if step <= 0:
        raise BcsimError(f"its scale {context.operand_name(scale)!r} must be positive, and is {step:g}")
    zero = context.operand(zero_point)
    if not isinstance(zero, Constant):
        kind = _OUTPUT_TYPES.get(context.attribute("output_dtype", 0), "uint8")
        return Grid(step, 0, kind)
    return Grid(step, int(np.rint(context.scalar(zero_point, "zero point"))), zero.kind)


@operator("QuantizeLinear")
def quantize_linear(context: NodeContext) -> Lowered:
    x = context.activation()
    return Lowered(read_grid(context, 1, 2).codes(x))


@operator("DequantizeLinear")
def dequantize_linear(context: NodeContext) -> Lowered:
    if isinstance(value := context.operand(0), Scores):
        return Lowered(value)
    before = len(context.before)
    x = dequantised(context, 0, read_grid(context, 1, 2), context.output)
    nodes = tuple(context.before[before:])
    del context.before[before:]
    return Lowered(x, nodes)


def dequantised(context: NodeContext, index: int, grid: Grid, name: str = "") -> Activation:
    """What the integers of input `index` mean, rounded to once for all that read them.

    name : of the graph's tensor, where it is the first to read them.
    Raises BcsimError where `grid` is not what they were rounded to.
    """
    codes = context.operand(index)
    if not isinstance(codes, Codes):
        raise BcsimError("its input must be a constant or the output of a QuantizeLinear")
    if (grid.scale, grid.zero_point) != (codes.scale, codes.zero_point):
        raise BcsimError("its scale and zero point must be those of the QuantizeLinear before it")
    return settled(context, codes, name or f"{context.operand_name(index)}/values")


def settled(context: NodeContext, codes: Codes, name: str) -> Activation:
    """What integers mean, in the graph's tensor `name` unless another node has asked before."""
    if not codes.made:
        fields = (context.name, context.op, (codes.source.name,), name)
        # QuantizeLinear adds its zero point after rounding, so an odd one must not turn half-to-even ties around.
        context.before.append(Quant(*fields, codes.scale, 0.0, codes.low, codes.high, "ROUND"))
        codes.made.append(codes.source.at(name))
    return codes.made[0]


def clip_codes(codes: Codes, low: float, high: float) -> Lowered:
    """A Clip of integers, by which QCDQ exports leave fewer bits than a type has."""
    least = max(codes.low, int(np.ceil(max(low, LEAST))) - codes.zero_point)
    most = min(codes.high, int(np.floor(min(high, -LEAST))) - codes.zero_point)
    if least >= most:
        raise BcsimError(f"its bounds are {low:g} and {high:g}, which leave a single integer")
    return Lowered(replace(codes, low=least, high=most, made=[]))


def passes(context: NodeContext) -> bool:
    """Whether the node moves integers or takes their maximum, which is the same of what they mean."""
    return context.op in _PASSING and any(isinstance(value, Codes) for value in context.operands)


def passed(context: NodeContext, lowering: Callable[[NodeContext], Lowered]) -> Lowered:
    """A node on integers, as `lowering` has it on what they mean."""
    grids = {
        (value.scale, value.zero_point, value.low, value.high) if isinstance(value, Codes) else None
        for value in context.operands[: 1 if context.op != "Concat" else None]
    }
    if len(grids) > 1 or None in grids:
        raise BcsimError("its inputs are integers of different scales or zero points; accepted is one grid")
    operands = tuple(
        settled(context, value, f"{name}/values") if isinstance(value, Codes) else value
        for name, value in zip(context.proto.input, context.operands, strict=True)
    )
    lowered = lowering(replace(context, operands=operands))
    ((scale, zero_point, low, high),) = (grid for grid in grids if grid)
    assert isinstance(lowered.value, Activation)
    return replace(lowered, value=Codes(lowered.value, scale, zero_point, low, high, [lowered.value]))
