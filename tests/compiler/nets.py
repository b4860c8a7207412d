"""Small float graphs with branches, built node by node, and the program of one held to the graph itself."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import (
    Add,
    Affine,
    AveragePool,
    BatchNorm,
    Bipolar,
    Concat,
    Conv,
    Dense,
    Flatten,
    Graph,
    MaxPool,
    MultiThreshold,
    Node,
    Quant,
    Relu,
    Reshape,
    Sign,
)
from bcsim.compiler.graph.shapes import image_shape, tensor_shapes
from bcsim.compiler.lowering.prepare import prepare_graph
from bcsim.compiler.program.layers import Encoding, Program
from bcsim.execution.raw_levels import arranged
from tests.reference import run_reference

PIXEL = Encoding(3, Fraction(1, 4), Fraction(-1, 2))


class Net:
    """A graph in the making; every method appends a node that reads tensors by name and returns its output's name."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> None:
        self.rng, self.shape = rng, shape
        self.nodes: list[Node] = []

    def graph(self, output: str) -> Graph:
        return Graph("net", "x", self.shape, tuple(self.nodes), output)

    def channels(self, tensor: str) -> int:
        return tensor_shapes(self.graph("x"))[tensor][0]

    def append(self, kind: type[Node], inputs: Sequence[str], *fields: Any) -> str:
        name = f"{kind.__name__.lower()}{len(self.nodes)}"
        self.nodes.append(kind(name, kind.__name__, tuple(inputs), name, *fields))
        return name

    def conv(
        self,
        x: str,
        outputs: int,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        groups: int = 1,
        values: Sequence[int] = (-1, 1),
    ) -> str:
        shape = (outputs, self.channels(x) // groups, *kernel)
        weights = self.rng.choice(values, shape).astype(np.int16)
        return self.append(Conv, [x], weights, self.rng.integers(1, 5, outputs) / 4, stride, pads, groups)

    def dense(self, x: str, outputs: int) -> str:
        inputs = int(np.prod(tensor_shapes(self.graph("x"))[x]))
        weights = self.rng.choice([-1, 1], (outputs, inputs)).astype(np.int16)
        return self.append(Dense, [x], weights, np.ones(outputs))

    def norm(self, x: str, *, falls: bool = True) -> str:
        """Batch normalisation with gains of powers of two, so that float64 is exact."""
        n = self.channels(x)
        gamma = self.rng.choice([-0.5, 0.25, 1.0, 0.0] if falls else [0.5, 1.0], n)
        beta, mean = self.rng.integers(-8, 9, n) / 8, self.rng.integers(-8, 9, n) / 4
        return self.append(BatchNorm, [x], gamma, beta, mean, np.full(n, 0.25), 0.0)

    def affine(self, x: str, scale: Any, shift: Any = 0.0) -> str:
        return self.append(Affine, [x], np.asarray(scale, np.float64), np.asarray(shift, np.float64))

    def quant(self, x: str, scale: float, low: int, high: int) -> str:
        return self.append(Quant, [x], scale, 0.0, low, high, "ROUND")

    def bipolar(self, x: str) -> str:
        return self.append(Bipolar, [x], 1.0)

    def sign(self, x: str) -> str:
        return self.append(Sign, [x])

    def relu(self, x: str) -> str:
        return self.append(Relu, [x])

    def max_pool(
        self,
        x: str,
        kernel: tuple[int, int] = (2, 2),
        stride: tuple[int, int] = (2, 2),
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> str:
        return self.append(MaxPool, [x], kernel, stride, pads)

    def average(
        self,
        x: str,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> str:
        return self.append(AveragePool, [x], kernel, stride, pads)

    def add(self, a: str, b: str) -> str:
        return self.append(Add, [a, b])

    def concat(self, *parts: str) -> str:
        return self.append(Concat, parts)

    def flatten(self, x: str) -> str:
        return self.append(Flatten, [x])

    def reshape(self, x: str, *shape: int) -> str:
        return self.append(Reshape, [x], shape)

    def thresholds(self, x: str, count: int = 3) -> str:
        """A MultiThreshold with rows of its own for each channel."""
        rows = np.sort(self.rng.integers(-6, 7, (self.channels(x), count)) / 2, axis=1)
        return self.append(MultiThreshold, [x], rows, 0.5, -1.0)

    def end(self, x: str, outputs: int = 3) -> Graph:
        """The graph with a dense layer behind tensor x."""
        return self.graph(self.dense(self.flatten(x), outputs))


def _quantised(net: Net, t: str) -> str:
    kind = net.rng.integers(4)
    if kind == 0:
        return net.sign(t)
    return net.bipolar(t) if kind == 1 else net.quant(t, 0.5, *[(0, 7), (-2, 1)][kind - 2])


def _convolved(net: Net, t: str) -> str:
    """A convolution of any shape, then normalisation, activation and pooling in any order, then a quantiser."""
    rng, channels = net.rng, net.channels(t)
    groups = int(rng.choice([g for g in (1, 2, channels) if channels % g == 0]))
    pads = (1, int(rng.integers(1, 3)), int(rng.integers(1, 3)), 1)
    stride = (1, int(rng.integers(1, 3)))
    values = [(-1, 1), (-1, 0, 1), (-3, -1, 2, 3)][rng.integers(3)]
    t = net.conv(
        t, groups * int(rng.integers(1, 4 if channels < 8 else 2)), (3, 2), stride, pads, groups, values
    )
    for step in rng.permutation(["norm", "relu", "pool"])[: rng.integers(1, 4)]:
        if step == "pool":
            t = net.max_pool(t, (2, 1), (1, 1))
        elif step == "norm":
            t = net.norm(t)
        else:
            t = net.relu(t)
    return _quantised(net, t)


def random_net(seed: int) -> Graph:
    """Convolutions, additions, concatenations, averages and padded maxima of each other's outputs."""
    rng = np.random.default_rng(seed)
    net = Net(rng, (2, 6, 5))
    t = _convolved(net, "x")
    for _ in range(3):
        kind = rng.integers(5)
        if kind == 0:
            t = _convolved(net, t)
            continue
        if kind == 4:
            t = net.max_pool(t, (3, 2), (2, 1), (1, 1, 2, 0))
            continue
        branch = net.conv(t, net.channels(t), (3, 3), pads=(1, 1, 1, 1))
        branch = net.quant(branch, 1.0, -4, 3)
        if kind == 1:
            t = _quantised(net, net.norm(net.add(t, branch)))
        elif kind == 2:
            t = _convolved(net, net.concat(branch, t))
        else:
            t = _quantised(net, net.average(net.add(branch, t), (2, 2), pads=(1, 0, 0, 1)))
    return net.end(t)


def channels_last(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A tensor (n, C, H, W) or (n, C) as (n, H, W, C)."""
    return values.reshape(len(values), *image_shape(values.shape[1:])).transpose(0, 2, 3, 1)


def random_levels(graph: Graph, pixel: Encoding, count: int = 6, seed: int = 0) -> NDArray[np.int64]:
    """Pixel levels (count, *shape), the first image all least, the second all greatest."""
    levels = np.random.default_rng(seed).integers(0, pixel.levels, (count, *graph.input_shape))
    levels[0], levels[1] = 0, pixel.levels - 1
    return levels


def run_levels(program: Program, levels: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Every layer's q (n, H, W, C) by name, for pixel levels in the float network's order."""
    q = arranged(program, program.input.encode_levels(levels).reshape(len(levels), -1))
    return run_reference(program, np.asarray(q))


def check_exact(
    program: Program, graph: Graph, pixel: Encoding, levels: NDArray[np.int64] | None = None
) -> None:
    """Every layer says it is exact and its decoded values equal the graph's in float64."""
    assert program.exact
    levels = random_levels(graph, pixel) if levels is None else levels
    # Layers name the tensors of the graph that they are made of.
    expected = evaluate_graph(prepare_graph(graph), pixel.decode(levels))
    found = run_levels(program, levels)
    for layer in program.layers:
        np.testing.assert_allclose(
            layer.target.decode(found[layer.name]),
            channels_last(expected[layer.float_output]),
            rtol=0,
            atol=1e-9,
            err_msg=layer.name,
        )
