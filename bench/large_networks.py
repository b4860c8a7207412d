"""VGG-16 and ResNet-18 for 224 x 224 images of 1,000 classes with random binary weights, as ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

__all__ = ["NETWORKS", "SHAPE", "Activation", "write_network"]

Activation: TypeAlias = Literal["relu", "sign"]

SHAPE = (3, 224, 224)
CLASSES = 1000
VGG_16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Outputs of a block's 3 x 3 convolutions, and how many there are; a 2 x 2 pool behind each block."""
RESNET_18 = ((64, 1), (128, 2), (256, 2), (512, 2))
"""Outputs of a stage of two residual blocks of two 3 x 3 convolutions, and the stride of its first."""
NETWORKS = ("vgg-16", "resnet-18")


class _Builder:
    """A network under construction; every method adds nodes behind `top`, a tensor of `channels`.

    Weights are int8 +-1 behind DequantizeLinear. Batch normalisation divides by the deviation that sums of as many
    random terms have, so that activations neither die nor saturate.
    """

    def __init__(self, activation: Activation) -> None:
        self.rng = np.random.default_rng(0)
        self.activation = activation
        self.top, self.channels, self.fan_in = "x", SHAPE[0], 1
        self.nodes: list[onnx.NodeProto] = []
        self.tensors = [self._tensor("one", np.array(1, np.float32))]

    def conv(self, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        shape = (outputs, self.channels, kernel, kernel)
        self._node("Conv", self._weights(shape), strides=[stride] * 2, pads=[kernel // 2] * 4)
        self.channels, self.fan_in = outputs, self.channels * kernel * kernel
        self._norm()

    def dense(self, inputs: int, outputs: int) -> None:
        self._node("MatMul", self._weights((inputs, outputs)))
        self.channels, self.fan_in = outputs, inputs
        self._norm()

    def activate(self) -> None:
        self._node("Relu" if self.activation == "relu" else "Sign")

    def pool(self, kernel: int, pad: int = 0) -> None:
        self._node("MaxPool", kernel_shape=[kernel] * 2, strides=[2, 2], pads=[pad] * 4)

    def residual(self, outputs: int, stride: int) -> None:
        """A basic block of ResNet, with a 1 x 1 convolution on its skip path where the shape changes."""
        start, channels = self.top, self.channels
        if stride > 1 or outputs != channels:
            self.conv(outputs, kernel=1, stride=stride)
        skip, self.top, self.channels = self.top, start, channels
        self.conv(outputs, stride=stride)
        self.activate()
        self.conv(outputs)
        self._node("Add", skip)
        self.activate()

    def plain(self, op: str) -> None:
        self._node(op)

    def model(self, name: str) -> onnx.ModelProto:
        self.nodes[-1].output[0] = "scores"
        image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])
        scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", CLASSES])
        graph = helper.make_graph(self.nodes, name, [image], [scores], self.tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def _node(self, op: str, *operands: str, **attributes: Any) -> None:
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [self.top, *operands], [name], name, **attributes))
        self.top = name

    def _weights(self, shape: tuple[int, ...]) -> str:
        stored = self._tensor(
            f"stored{len(self.tensors)}", self.rng.choice(np.array([-1, 1], np.int8), shape)
        )
        self.tensors.append(stored)
        name = f"weights{len(self.tensors)}"
        self.nodes.append(helper.make_node("DequantizeLinear", [stored.name, "one"], [name], name))
        return name

    def _norm(self) -> None:
        shape, number = self.channels, len(self.tensors)
        deviation = self.fan_in**0.5 * (0.6 if self.activation == "relu" else 1)
        values = {
            "gain": self.rng.uniform(0.5, 1.5, shape),
            "bias": self.rng.normal(0, 0.1, shape),
            "mean": np.zeros(shape),
            "variance": np.full(shape, deviation**2),
        }
        self.tensors += [
            self._tensor(f"{key}{number}", array.astype(np.float32)) for key, array in values.items()
        ]
        self._node("BatchNormalization", *(f"{key}{number}" for key in values))

    @staticmethod
    def _tensor(name: str, array: NDArray[Any]) -> onnx.TensorProto:
        return numpy_helper.from_array(array, name)


def _vgg_16(network: _Builder) -> None:
    for outputs, convolutions in VGG_16:
        for _ in range(convolutions):
            network.conv(outputs)
            network.activate()
        network.pool(2)
    network.plain("Flatten")
    inputs = network.channels * 7 * 7
    for outputs in (4096, 4096):
        network.dense(inputs, outputs)
        network.activate()
        inputs = outputs
    network.dense(inputs, CLASSES)


def _resnet_18(network: _Builder) -> None:
    network.conv(64, kernel=7, stride=2)
    network.activate()
    network.pool(3, pad=1)
    for outputs, stride in RESNET_18:
        network.residual(outputs, stride)
        network.residual(outputs, 1)
    network.plain("GlobalAveragePool")
    network.plain("Flatten")
    network.dense(network.channels, CLASSES)


def write_network(name: str, activation: Activation, path: Path) -> None:
    """Write one of NETWORKS to `path`."""
    network = _Builder(activation)
    {"vgg-16": _vgg_16, "resnet-18": _resnet_18}[name](network)
    path.write_bytes(network.model(name).SerializeToString())
