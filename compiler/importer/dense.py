"""MatMul and Gemm with few-valued weights."""

from __future__ import annotations

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.integer_weights import IntegerWeights, integer_weights
from bcsim.compiler.graph.nodes import Affine, Dense
from bcsim.compiler.importer.channels_last import dense_at_positions
from bcsim.compiler.importer.image_patches import weighed_patches
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.values import Activation, Constant, Patches

__all__ = ["weight_notes"]


@operator("MatMul")
def matmul(context: NodeContext) -> Lowered:
    if isinstance(context.operand(0), Constant):
        raise BcsimError("its first input is a constant; accepted are weights as the second input")
    matrix = context.constant(1, "weight tensor")
    if isinstance(patches := context.operand(0), Patches):
        return weighed_patches(context, patches, matrix)
    if len(context.activation().shape or ()) > 1 and matrix.ndim == 2:
        return dense_at_positions(context, matrix)
    x, weights, notes = _operands(context, transposed=False)
    fields = (context.name, context.op, (x.name,), context.output)
    node = Dense(*fields, weights.weights, weights.scale, bool(weights.rounded))
    return Lowered(Activation(context.output, (len(weights.scale),)), (node,), notes)


@operator("Gemm")
def gemm(context: NodeContext) -> Lowered:
    alpha, beta = context.attribute("alpha", 1.0), context.attribute("beta", 1.0)
    if context.attribute("transA", 0):
        raise BcsimError("its attribute transA is set; accepted is transA = 0")
    if not alpha or not np.isfinite([alpha, beta]).all():
        raise BcsimError(f"its alpha {alpha:g} must be finite and not 0, and its beta {beta:g} finite")
    x, weights, notes = _operands(context, transposed=bool(context.attribute("transB", 0)))
    out = Activation(context.output, (len(weights.scale),))
    bias = context.channels(2, "bias", out)[1] * beta if context.operand(2) is not None else np.zeros(())
    between = f"{context.output}/product" if bias.any() else context.output
    signs = weights.weights * np.int16(np.sign(alpha))
    dense = Dense(
        context.name, context.op, (x.name,), between, signs, weights.scale * abs(alpha), bool(weights.rounded)
    )
    if not bias.any():
        return Lowered(out, (dense,), notes)
    return Lowered(
        out, (dense, Affine(context.name, context.op, (between,), context.output, np.ones(()), bias)), notes
    )


def _operands(context: NodeContext, transposed: bool) -> tuple[Activation, IntegerWeights, tuple[str, ...]]:
    """The input, the weights (O, I) and what to note of them; `transposed` says that the file has them (O, I)."""
    x = context.activation(0)
    matrix = context.constant(1, "weight tensor")
    name = context.operand_name(1)
    if matrix.ndim != 2:
        raise BcsimError(f"weight tensor {name!r} has shape {matrix.shape}; expected two axes")
    values = matrix if transposed else matrix.T
    if x.shape is not None and x.shape != values.shape[1:]:
        raise BcsimError(
            f"weight tensor {name!r} takes {values.shape[1]} inputs, but input {context.operand_name(0)!r} has shape "
            f"{x.shape} behind the batch axis"
        )
    if x.shape is not None:
        x, order = context.channel_first(x, 0)
        values = values if order is None else values[:, order]
    weights = integer_weights(values, name, context.weight_bits)
    return x, weights, weight_notes(context, weights)


def weight_notes(context: NodeContext, weights: IntegerWeights) -> tuple[str, ...]:
    """What a user should know of how the weights of input 1 were read."""
    if weights.rounded:
        bits, decibels = weights.rounded
        # Even and odd integers together take a plane more than their bits.
        planes = bits + 1
        return (
            f"Node {context.name!r} ({context.op}): the real weights of {context.operand_name(1)!r} are rounded to "
            f"{bits} bits for each output, which leaves a signal-to-noise ratio of {decibels:.1f} dB; their {planes} "
            f"planes take {planes} times the steps of one-bit weights",
        )
    # Below 1e-12 it is float64's own rounding of scale times integer.
    if weights.deviation < 1e-12:
        return ()
    return (
        f"Node {context.name!r} ({context.op}): weights of {context.operand_name(1)!r} were moved by up to "
        f"{weights.deviation:.1g} of their value to integers times a scale",
    )
