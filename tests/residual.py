"""A network shaped as ResNet-18, of any width, as an ONNX file with random one-bit weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto

from tests.compiler.build import BREVITAS, model, node, tensors

__all__ = ["residual_network"]

STAGES = ((1, 1), (2, 2), (4, 2), (8, 2))
"""Of four stages of two blocks each: the width in units of the stem's, and the stride of the first block."""


def residual_network(
    rng: np.random.Generator, *, width: int, side: int, classes: int = 5, quantised: bool = True
) -> ModelProto:
    """The model, from images (3, side, side) to scores: a stem of a 7 x 7 convolution of stride 2 and a padded 3 x 3
    maximum of stride 2, eight basic blocks, an average and a dense layer.

    quantised : the network has quantisers of 4 bits, from which all integers follow; without them it has ReLU alone.
    """
    net = _Net(rng, quantised=quantised)
    net.conv(width, 7, 2)
    net.activate()
    net.add("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for wider, stride in STAGES:
        net.block(width * wider, stride)
        net.block(width * wider, 1)
    net.add("GlobalAveragePool")
    net.add("Flatten")
    net.add("MatMul", rng.choice([-1.0, 1.0], (net.channels, classes)))
    net.nodes[-1].output[0] = "y"
    return model(net.nodes, tensors(**net.arrays), shape=(3, side, side))


class _Net:
    """A network under construction; every method adds nodes behind `top`, an image of `channels`."""

    def __init__(self, rng: np.random.Generator, *, quantised: bool) -> None:
        self.rng, self.quantised = rng, quantised
        self.top, self.channels = "x", 3
        self.nodes: list[NodeProto] = []
        self.arrays: dict[str, Any] = {}

    def add(self, op: str, *operands: Any, domain: str = "", **attributes: Any) -> None:
        name, names = f"t{len(self.nodes)}", [self.top]
        for index, operand in enumerate(operands):
            names.append(operand if isinstance(operand, str) else f"{name}_{index}")
            if not isinstance(operand, str):
                self.arrays[names[-1]] = operand
        self.nodes.append(node(op, " ".join(names), name, domain=domain, **attributes))
        self.top = name

    def conv(self, outputs: int, kernel: int, stride: int) -> None:
        """A convolution and its batch normalisation, of gains of either sign."""
        weights = self.rng.choice([-1.0, 1.0], (outputs, self.channels, kernel, kernel))
        self.add("Conv", weights, strides=[stride] * 2, pads=[kernel // 2] * 4)
        gain = self.rng.uniform(0.5, 1.5, outputs) * self.rng.choice([-1, 1], outputs)
        bias, mean = self.rng.normal(0, 0.3, (2, outputs))
        spread = np.full(outputs, weights[0].size * 0.5)
        self.add("BatchNormalization", gain, bias, mean, spread)
        self.channels = outputs

    def activate(self) -> None:
        self.add("Relu")
        self.quantise(signed=0)

    def quantise(self, *, signed: int) -> None:
        """To 4 bits, in steps of a quarter."""
        if self.quantised:
            attributes = {"signed": signed, "narrow": 0, "rounding_mode": "ROUND"}
            self.add("Quant", np.float64(0.25), np.float64(0), np.float64(4), domain=BREVITAS, **attributes)

    def block(self, outputs: int, stride: int) -> None:
        """Two 3 x 3 convolutions beside their input, or beside a 1 x 1 convolution of it where the shape changes."""
        start, channels = self.top, self.channels
        if stride > 1 or outputs != channels:
            self.conv(outputs, 1, stride)
            self.quantise(signed=1)
        skip, self.top, self.channels = self.top, start, channels
        self.conv(outputs, 3, stride)
        self.activate()
        self.conv(outputs, 3, 1)
        self.quantise(signed=1)
        self.add("Add", skip)
        self.activate()
