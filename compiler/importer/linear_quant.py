"""ONNX's own quantisers on activations: QuantizeLinear and DequantizeLinear in pairs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Quant
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.values import Codes, Constant

_RANGES: Mapping[str, tuple[int, int]] = {
    "uint4": (0, 15),
    "int4": (-8, 7),
    "uint8": (0, 255),
    "int8": (-128, 127),
    "uint16": (0, 65535),
    "int16": (-32768, 32767),
}
_OUTPUT_TYPES = {2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 21: "uint4", 22: "int4"}


@operator("QuantizeLinear")
def quantize_linear(context: NodeContext) -> Lowered:
    x = context.activation()
    scale, zero_point = _parameters(context)
    low, high = _range(context)
    return Lowered(Codes(x, scale, zero_point, low - zero_point, high - zero_point))


@operator("DequantizeLinear")
def dequantize_linear(context: NodeContext) -> Lowered:
    codes = context.operand(0)
    if not isinstance(codes, Codes):
        raise BcsimError("its input must be a constant or the output of a QuantizeLinear")
    if _parameters(context) != (codes.scale, codes.zero_point):
        raise BcsimError("its scale and zero point must be those of the QuantizeLinear before it")
    fields = (context.name, context.op, (codes.source.name,), context.output)
    # QuantizeLinear adds its zero point after rounding, so an odd one must not turn half-to-even ties around.
    node = Quant(*fields, codes.scale, 0.0, codes.low, codes.high, "ROUND")
    return Lowered(codes.source.at(context.output), (node,))


def _parameters(context: NodeContext) -> tuple[float, int]:
    scale = context.scalar(1, "scale")
    if scale <= 0:
        raise BcsimError(f"its scale {context.operand_name(1)!r} must be positive, and is {scale:g}")
    zero_point = 0.0 if context.operand(2) is None else context.scalar(2, "zero point")
    return scale, int(np.rint(zero_point))


def _range(context: NodeContext) -> tuple[int, int]:
    zero_point = context.operand(2)
    kind = (
        zero_point.kind
        if isinstance(zero_point, Constant)
        else _OUTPUT_TYPES.get(context.attribute("output_dtype", 0))
    )
    kind = kind or "uint8"
    if kind not in _RANGES:
        raise BcsimError(f"its zero point has the type {kind}; accepted are {', '.join(_RANGES)}")
    return _RANGES[kind]
