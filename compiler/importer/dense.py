"""MatMul and Gemm with few-valued weights."""

from __future__ import annotations

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.integer_weights import IntegerWeights, integer_weights
from bcsim.compiler.graph.nodes import Affine, Dense
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.site import Lowered, Site
from bcsim.compiler.importer.values import Activation, Constant

__all__ = ["weight_notes"]


@operator("MatMul")
def matmul(site: Site) -> Lowered:
    if isinstance(site.operand(0), Constant):
        raise BcsimError("its first input is a constant; accepted are weights as the second input")
    x, weights, notes = _operands(site, transposed=False)
    node = Dense(site.name, site.op, (x.name,), site.output, weights.weights, weights.scale)
    return Lowered(Activation(site.output, (len(weights.scale),)), (node,), notes)


@operator("Gemm")
def gemm(site: Site) -> Lowered:
    alpha, beta = site.attribute("alpha", 1.0), site.attribute("beta", 1.0)
    if site.attribute("transA", 0):
        raise BcsimError("its attribute transA is set; accepted is transA = 0")
    if not alpha or not np.isfinite([alpha, beta]).all():
        raise BcsimError(f"its alpha {alpha:g} must be finite and not 0, and its beta {beta:g} finite")
    x, weights, notes = _operands(site, transposed=bool(site.attribute("transB", 0)))
    out = Activation(site.output, (len(weights.scale),))
    bias = site.channels(2, "bias", out)[1] * beta if site.operand(2) is not None else np.zeros(())
    between = f"{site.output}/product" if bias.any() else site.output
    signs = weights.weights * np.int16(np.sign(alpha))
    dense = Dense(site.name, site.op, (x.name,), between, signs, weights.scale * abs(alpha))
    if not bias.any():
        return Lowered(out, (dense,), notes)
    return Lowered(
        out, (dense, Affine(site.name, site.op, (between,), site.output, np.ones(()), bias)), notes
    )


def _operands(site: Site, transposed: bool) -> tuple[Activation, IntegerWeights, tuple[str, ...]]:
    """The input, the weights (O, I) and what to note of them; `transposed` says that the file has them (O, I)."""
    x = site.activation(0)
    matrix = site.constant(1, "weight tensor")
    name = site.operand_name(1)
    if matrix.ndim != 2:
        raise BcsimError(f"weight tensor {name!r} has shape {matrix.shape}; expected two axes")
    values = matrix if transposed else matrix.T
    if x.shape is not None and x.shape != values.shape[1:]:
        raise BcsimError(
            f"weight tensor {name!r} takes {values.shape[1]} inputs, but input {site.operand_name(0)!r} has shape "
            f"{x.shape} behind the batch axis"
        )
    if x.shape is not None:
        x, order = site.channel_first(x, 0)
        values = values if order is None else values[:, order]
    weights = integer_weights(values, name)
    return x, weights, weight_notes(site, weights)


def weight_notes(site: Site, weights: IntegerWeights) -> tuple[str, ...]:
    """What a user should know of how the weights of input 1 were read."""
    # Below 1e-12 it is float64's own rounding of scale times integer.
    if weights.deviation < 1e-12:
        return ()
    return (
        f"Node {site.name!r} ({site.op}): weights of {site.operand_name(1)!r} were moved by up to "
        f"{weights.deviation:.1g} of their value to integers times a scale",
    )
