"""Networks in the form that `torch.onnx.export` writes: its names, attributes and Constant nodes, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.dialects.check import Array

__all__ = ["Export"]

OPSET = 20


class Export:
    """A module's forward pass as it is traced: every method adds what its layer writes, and returns its tensor.

    real : whether weights are real; else latent ones, of which the graph takes the sign.
    """

    def __init__(self, shape: Sequence[int], seed: int, *, real: bool = False) -> None:
        self.shape, self.rng, self.real = shape, np.random.default_rng(seed), real
        self.nodes: list[NodeProto] = []
        self.stored: list[TensorProto] = []
        self.widths = {"x": shape[0]}

    def add(self, op: str, inputs: Sequence[str], scope: str = "", **attributes: Any) -> str:
        """A node named by its module, such as "/layer1/conv1/Conv"."""
        base = name = "/".join(["", *scope.split("/"), op]).replace("//", "/")
        number = 0
        while any(node.name == name for node in self.nodes):
            number += 1
            name = f"{base}_{number}"
        self.nodes.append(helper.make_node(op, list(inputs), [f"{name}_output_0"], name, **attributes))
        if inputs:
            self.widths[f"{name}_output_0"] = self.widths.get(inputs[0], 0)
        return f"{name}_output_0"

    def parameter(self, name: str, array: Array) -> str:
        self.stored.append(numpy_helper.from_array(np.asarray(array, dtype=np.float32), name))
        return name

    def constant(self, value: Any, scope: str = "") -> str:
        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        return self.add("Constant", [], scope, value=numpy_helper.from_array(array))

    def weight(self, scope: str, *shape: int) -> str:
        name = self.parameter(f"{scope.replace('/', '.')}.weight", self.rng.normal(0, 0.3, shape))
        return name if self.real else self.add("Sign", [name], scope)

    def bias(self, scope: str, size: int) -> str:
        return self.parameter(f"{scope.replace('/', '.')}.bias", self.rng.normal(0, 0.5, size))

    def conv(
        self, x: str, scope: str, outputs: int, kernel: int, *, stride: int = 1, pad: int = 0, groups: int = 1,
        dilation: int = 1, bias: bool = False,
    ) -> str:  # fmt: skip
        rank = len(self.shape) - 1
        inputs = [x, self.weight(scope, outputs, self.widths[x] // groups, *[kernel] * rank)]
        inputs += [self.bias(scope, outputs)] if bias else []
        made = self.add(
            "Conv", inputs, scope, dilations=[dilation] * rank, group=groups, kernel_shape=[kernel] * rank,
            pads=[pad] * 2 * rank, strides=[stride] * rank,
        )  # fmt: skip
        self.widths[made] = outputs
        return made

    def linear(self, x: str, scope: str, inputs: int, outputs: int) -> str:
        operands = [x, self.weight(scope, outputs, inputs), self.bias(scope, outputs)]
        made = self.add("Gemm", operands, scope, alpha=1.0, beta=1.0, transB=1)
        self.widths[made] = outputs
        return made

    def norm(self, x: str, scope: str) -> str:
        size, stem = self.widths[x], scope.replace("/", ".")
        operands = [
            self.parameter(f"{stem}.weight", self.rng.uniform(0.5, 1.5, size)),
            self.bias(scope, size),
            self.parameter(f"{stem}.running_mean", self.rng.normal(0, 2, size)),
            self.parameter(f"{stem}.running_var", self.rng.uniform(5, 40, size)),
        ]
        near = {"epsilon": float(np.float32(1e-5)), "momentum": float(np.float32(0.9))}
        return self.add("BatchNormalization", [x, *operands], scope, training_mode=0, **near)

    def relu(self, x: str, scope: str) -> str:
        return self.add("Relu", [x], scope)

    def clip(self, x: str, scope: str, low: float, high: float) -> str:
        return self.add("Clip", [x, self.constant(low, scope), self.constant(high, scope)], scope)

    def max_pool(
        self, x: str, scope: str, kernel: int, stride: int, pad: int = 0, *, ceiled: bool = False
    ) -> str:
        rank = len(self.shape) - 1
        return self.add(
            "MaxPool", [x], scope, ceil_mode=int(ceiled), dilations=[1] * rank, kernel_shape=[kernel] * rank,
            pads=[pad] * 2 * rank, strides=[stride] * rank,
        )  # fmt: skip

    def head(self, x: str, outputs: int) -> str:
        """The mean over the image, flattened, and a linear layer."""
        mean = self.add("GlobalAveragePool", [x], "pool")
        return self.linear(self.add("Flatten", [mean], "flatten", axis=1), "fc", self.widths[x], outputs)

    def upsample(self, x: str, factor: int) -> str:
        scales = self.constant(np.array([1, 1, factor, factor], dtype=np.float32))
        attributes = {
            "coordinate_transformation_mode": "asymmetric",
            "cubic_coeff_a": -0.75,
            "mode": "nearest",
            "nearest_mode": "floor",
        }
        return self.add("Resize", [x, "", scales], "", **attributes)

    def model(self, output: str) -> ModelProto:
        """The model, with `output` under the name that the user gave it."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for place, name in enumerate(names):
                    names[place] = "y" if name == output else name
        batch = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *self.shape])
        scores = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "main_graph", [batch], [scores], self.stored)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
