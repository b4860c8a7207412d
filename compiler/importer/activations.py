"""Activation functions: Relu, Clip, Sign and what amounts to them."""

from __future__ import annotations

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Clip, Node, Relu, Sign
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.site import Lowered, Site
from bcsim.compiler.importer.values import Constant

# ONNX's own defaults for "no bound" in the first versions of Clip.
_UNBOUNDED = float(np.finfo(np.float32).max)


def _lowered(site: Site, node: Node) -> Lowered:
    return Lowered(site.activation().at(site.output), (node,))


@operator("Relu")
def relu(site: Site) -> Lowered:
    return _lowered(site, Relu(site.name, site.op, (site.activation().name,), site.output))


@operator("Sign")
def sign(site: Site) -> Lowered:
    return _lowered(site, Sign(site.name, site.op, (site.activation().name,), site.output))


@operator("LeakyRelu")
def leaky_relu(site: Site) -> Lowered:
    alpha = site.attribute("alpha", 0.01)
    if alpha:
        raise BcsimError(
            f"values below 0 keep the slope {alpha:g}, so its steps are uneven and no requantiser has them; "
            "accepted are Relu, Clip and Sign"
        )
    return relu(site)


@operator("Clip")
def clip(site: Site) -> Lowered:
    return _clipped(site, _bound(site, 1, "min", -np.inf), _bound(site, 2, "max", np.inf))


@operator("Max", "Min")
def extreme(site: Site) -> Lowered:
    """Max(x, c) and Min(x, c) are one-sided clips."""
    if len(site.operands) != 2 or not any(isinstance(value, Constant) for value in site.operands):
        raise BcsimError("accepted are two inputs, one of them a constant")
    constant = int(isinstance(site.operand(1), Constant))
    bound = site.scalar(constant, "bound")
    bounds = (bound, np.inf) if site.op == "Max" else (-np.inf, bound)
    return _clipped(site, *bounds, index=1 - constant)


def _clipped(site: Site, low: float, high: float, index: int = 0) -> Lowered:
    x = site.activation(index)
    if np.isnan([low, high]).any() or low >= high:
        raise BcsimError(f"its bounds are {low:g} and {high:g}; the lower must be below the upper")
    head = (site.name, site.op, (x.name,), site.output)
    node = Relu(*head) if (low, high) == (0, np.inf) else Clip(*head, low, high)
    return Lowered(x.at(site.output), (node,))


def _bound(site: Site, index: int, name: str, default: float) -> float:
    """The bound from the attribute (operator sets below 11) or the input; infinite where it bounds no float32."""
    if site.operand(index) is None:
        value = float(site.attribute(name, default))
    else:
        array = site.constant(index, name)
        if array.size != 1:
            raise BcsimError(f"its {name} has shape {array.shape}; accepted is one value")
        value = float(array.reshape(()))
    return default if abs(value) >= _UNBOUNDED and np.sign(value) == np.sign(default) else value
