"""Quantisers as exporters write them."""

import numpy as np
import pytest

from tests.compiler.build import BREVITAS, model, node, reference, tensors
from tests.dialects.check import check, pixels, signs

RNG = np.random.default_rng(31)
X = pixels(RNG, 60, (12,))
QUANT = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}


def with_domain(built, x):
    """The network by the reference evaluator, which has QONNX's operators in their domain."""
    for made in built.graph.node:
        made.domain = BREVITAS if made.op_type in ("Quant", "BipolarQuant", "MultiThreshold") else ""
    return reference(built, x)


def test_quant_without_a_domain(tmp_path):
    nodes = [
        node("BipolarQuant", "l one", "w"),
        node("MatMul", "x w", "a"),
        node("Quant", "a s z b", "q", **QUANT),
        node("MatMul", "q v", "y"),
    ]
    arrays = tensors(l=RNG.normal(size=(12, 8)), one=1.0, s=64.0, z=0.0, b=4.0, v=signs(RNG, 8, 3))
    check(model(nodes, arrays, shape=(12,)), tmp_path, X, with_domain)


@pytest.mark.parametrize("bits", [20.0, 32.0])
def test_bias_quant(bits, tmp_path):
    """Brevitas' Int32Bias."""
    nodes = [
        node("Quant", "c t z n", "d", BREVITAS, **QUANT),
        node("Gemm", "x w d", "a"),
        node("Quant", "a s z b", "q", BREVITAS, **QUANT),
        node("MatMul", "q v", "y"),
    ]
    bias = RNG.normal(size=8) * 300
    arrays = {"c": bias, "t": 0.125, "z": 0.0, "n": bits, "s": 32.0, "b": 4.0}
    weights = {"w": signs(RNG, 12, 8), "v": signs(RNG, 8, 3)}
    check(model(nodes, tensors(**arrays, **weights), shape=(12,)), tmp_path, X, with_domain)


def test_thresholds_repeated_for_every_pixel(tmp_path):
    nodes = [
        node("MultiThreshold", "x t", "q", BREVITAS, out_scale=1.0, out_bias=0.0, out_dtype="UINT2"),
        node("MatMul", "q w", "a"),
        node("Sign", "a", "b"),
        node("MatMul", "b v", "y"),
    ]
    thresholds = np.tile([40.0, 100.5, 201.0], (12, 1))
    arrays = tensors(t=thresholds, w=signs(RNG, 12, 8), v=signs(RNG, 8, 3))
    check(model(nodes, arrays, shape=(12,)), tmp_path, X, with_domain)
