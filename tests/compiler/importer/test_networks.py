"""Whole convolutional networks with random weights, held to onnxruntime."""

from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pytest
from onnx import NodeProto

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Add, Conv, Dense, MaxPool
from bcsim.compiler.importer import import_onnx, inspect_onnx
from tests.compiler.build import check_equal, model, node, runtime, save, tensors


@dataclass
class Builder:
    """A network under construction; every method adds nodes behind `top`, an image of `shape` (C, H, W)."""

    rng: np.random.Generator
    shape: tuple[int, int, int]
    input_shape: tuple[int, int, int] = (0, 0, 0)
    top: str = "x"
    nodes: list[NodeProto] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self):
        self.input_shape = self.shape

    def add(self, op, *operands, **attributes):
        name = f"t{len(self.nodes)}"
        names = [self.top]
        for operand in operands:
            if isinstance(operand, str):
                names.append(operand)
                continue
            names.append(f"{name}_{len(names)}")
            self.arrays[names[-1]] = operand
        self.nodes.append(node(op, " ".join(names), name, **attributes))
        self.top = name

    def conv(self, outputs, kernel=3, stride=1, pad=1, groups=1):
        channels, rows, columns = self.shape
        weights = self.rng.choice([-1.0, 1.0], (outputs, channels // groups, kernel, kernel))
        weights *= self.rng.choice([0.5, 1.0, 2.0], (outputs, 1, 1, 1))
        self.add("Conv", weights, strides=[stride] * 2, pads=[pad] * 4, group=groups)
        size = ((length + 2 * pad - kernel) // stride + 1 for length in (rows, columns))
        self.shape = (outputs, *size)

    def norm(self):
        channels = self.shape[0]
        gain, shift, mean = self.rng.normal(size=(3, channels))
        self.add("BatchNormalization", gain, shift, mean, self.rng.uniform(9, 99, channels))

    def activation(self):
        if self.rng.random() < 0.5:
            self.add("Relu")
        else:
            self.add("Clip", np.array(-1.0), np.array(1.0))

    def pool(self, op, kernel=2, stride=2, pad=0):
        channels, rows, columns = self.shape
        self.add(op, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)
        size = ((length + 2 * pad - kernel) // stride + 1 for length in (rows, columns))
        self.shape = (channels, *size)

    def residual(self, outputs, stride=1):
        """A basic block of ResNet, with a 1x1 convolution on its skip path where the shape changes."""
        start, shape = self.top, self.shape
        if stride > 1 or outputs != shape[0]:
            self.conv(outputs, kernel=1, stride=stride, pad=0)
            self.norm()
        skip, self.top, self.shape = self.top, start, shape
        self.conv(outputs, stride=stride)
        self.norm()
        self.activation()
        self.conv(outputs)
        self.norm()
        self.add("Add", skip)
        self.activation()

    def concat(self, outputs):
        start, (channels, rows, columns) = self.top, self.shape
        self.conv(outputs)
        self.norm()
        self.add("Concat", start, axis=1)
        self.shape = (channels + outputs, rows, columns)

    def scores(self, classes=10):
        self.add("Flatten")
        inputs = int(np.prod(self.shape))
        self.add("MatMul", self.rng.choice([-1.0, 1.0], (inputs, classes)) / 64)
        self.nodes[-1].output[0] = "y"

    def check(self, folder, images=2):
        built = model(self.nodes, tensors(**self.arrays), shape=self.input_shape)
        x = self.rng.normal(size=(images, *self.input_shape))
        return check_equal(built, folder, x, 1e-3, witness=runtime)


def count(graph, kind):
    return sum(isinstance(n, kind) for n in graph.nodes)


def test_resnet_18(tmp_path):
    network = Builder(np.random.default_rng(18), (3, 96, 96))
    network.conv(8, kernel=7, stride=2, pad=3)
    network.norm()
    network.activation()
    network.pool("MaxPool", kernel=3, stride=2, pad=1)
    for outputs, stride in ((8, 1), (16, 2), (32, 2), (64, 2)):
        network.residual(outputs, stride)
        network.residual(outputs)
    network.add("GlobalAveragePool")
    assert network.shape == (64, 3, 3)
    network.shape = (64, 1, 1)
    network.scores()
    graph = network.check(tmp_path)
    assert (count(graph, Conv), count(graph, Add), count(graph, Dense)) == (20, 8, 1)


def test_vgg_16(tmp_path):
    network = Builder(np.random.default_rng(16), (3, 64, 64))
    for outputs, convolutions in ((4, 2), (8, 2), (16, 3), (32, 3), (32, 3)):
        for _ in range(convolutions):
            network.conv(outputs)
            network.norm()
            network.activation()
        network.pool("MaxPool")
    network.scores()
    graph = network.check(tmp_path)
    assert (count(graph, Conv), count(graph, MaxPool), count(graph, Dense)) == (13, 5, 1)


def random_network(rng):
    network = Builder(rng, (int(rng.integers(1, 4)), int(rng.integers(9, 13)), int(rng.integers(9, 13))))
    steps = {
        "conv": lambda: network.conv(
            int(rng.integers(1, 6)), int(rng.integers(1, 4)), int(rng.integers(1, 3)), int(rng.integers(0, 3))
        ),
        "depthwise": lambda: network.conv(2 * network.shape[0], groups=network.shape[0]),
        "norm": network.norm,
        "activation": network.activation,
        "sign": lambda: network.add("Sign"),
        "maximum": lambda: network.pool("MaxPool", 2, int(rng.integers(1, 3)), network.shape[0] % 2),
        "mean": lambda: network.pool("AveragePool", 2, int(rng.integers(1, 3))),
        "residual": lambda: network.residual(int(rng.integers(1, 6)), int(rng.integers(1, 3))),
        "concat": lambda: network.concat(int(rng.integers(1, 4))),
    }
    for name in rng.choice(list(steps), rng.integers(4, 9)):
        if min(network.shape[1:]) >= 3:
            steps[name]()
    network.scores(3)
    return network


@pytest.mark.parametrize("seed", range(40))
def test_random_networks_equal_onnxruntime(seed, tmp_path):
    random_network(np.random.default_rng(seed)).check(tmp_path, images=3)


def test_what_is_said_of_every_node(tmp_path):
    network = Builder(np.random.default_rng(1), (2, 9, 9))
    network.conv(4, groups=2)
    network.pool("AveragePool", 3, 3)
    network.concat(2)
    network.scores(4)
    built = model(network.nodes, tensors(**network.arrays), shape=network.input_shape)
    assert [(r.op, r.status, r.into) for r in inspect_onnx(save(built, tmp_path))] == [
        ("Conv", "lowered", "Conv 3x3 2 to 4, weights +-1, 2 groups"),
        ("AveragePool", "lowered", "AveragePool 3x3"),
        ("Conv", "lowered", "Conv 3x3 4 to 2, weights +-1"),
        ("BatchNormalization", "lowered", "BatchNorm"),
        ("Concat", "lowered", "Concat"),
        ("Flatten", "lowered", "Flatten"),
        ("MatMul", "lowered", "Dense 54 to 4, weights +-1"),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_damaged_files_import_or_are_refused(seed, tmp_path):
    rng = np.random.default_rng(seed)
    network = random_network(rng)
    whole = model(network.nodes, tensors(**network.arrays), shape=network.input_shape).SerializeToString()
    path = tmp_path / "model.onnx"
    for _ in range(5):
        data = bytearray(whole)
        # Attributes and shapes, which the weights behind them would hide from random places.
        for place in rng.integers(min(len(data), 1500), size=3):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        # Anything but a BcsimError fails the test.
        with suppress(BcsimError):
            inspect_onnx(path)
            import_onnx(path)


def test_random_networks_hold_every_operator():
    ops = {n.op_type for seed in range(40) for n in random_network(np.random.default_rng(seed)).nodes}
    assert ops >= {"Conv", "MaxPool", "AveragePool", "Add", "Concat", "Sign", "Relu", "Clip"}
