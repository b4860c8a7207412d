"""Random chains of views and of operators that depend on their order: equal to onnxruntime, or refused."""

from dataclasses import dataclass, field
from itertools import product
from math import prod

import numpy as np
import pytest
from onnx import NodeProto

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.evaluate import evaluate_graph
from tests.compiler.build import imported, model, node, runtime, tensors


@dataclass
class Chain:
    """A network under construction; every method adds a node behind the tensor `top`, of `shape`, where it fits."""

    rng: np.random.Generator
    shape: tuple[int, ...]
    top: str = "x"
    nodes: list[NodeProto] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    past: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    def add(self, op, shape, *operands, **attributes):
        self.past.append((self.top, self.shape))
        name = f"t{len(self.nodes)}"
        names = [operand if isinstance(operand, str) else f"{name}_{i}" for i, operand in enumerate(operands)]
        self.arrays |= {n: o for n, o in zip(names, operands, strict=True) if not isinstance(o, str)}
        self.nodes.append(node(op, " ".join([self.top, *names]), name, **attributes))
        self.top, self.shape = name, tuple(int(size) for size in shape)

    def transpose(self):
        order = self.rng.permutation(len(self.shape)).tolist()
        self.add("Transpose", [self.shape[i] for i in order], perm=[0, *(i + 1 for i in order)])

    def reshape(self):
        sizes = range(1, prod(self.shape) + 1)
        wanted = prod(self.shape)
        shapes = [
            shape for rank in (1, 2, 3) for shape in product(sizes, repeat=rank) if prod(shape) == wanted
        ]
        shape = shapes[self.rng.integers(len(shapes))]
        self.add("Reshape", shape, np.int64([0, *shape]))

    def scale(self):
        axis = self.rng.integers(len(self.shape))
        shape = [size if i == axis else 1 for i, size in enumerate(self.shape)]
        self.add("Mul", self.shape, self.rng.normal(size=shape))

    def norm(self):
        gain, variance = self.rng.normal(size=self.shape[0]), self.rng.uniform(1, 2, self.shape[0])
        self.add("BatchNormalization", self.shape, gain, gain, gain, variance)

    def conv(self):
        if len(self.shape) > 1:
            weights = self.rng.choice([-1.0, 1.0], (3, self.shape[0], *(1 for _ in self.shape[1:])))
            self.add("Conv", (3, *self.shape[1:]), weights)

    def mean(self):
        if len(self.shape) > 1:
            kept, keep = self.rng.integers(len(self.shape)), int(self.rng.integers(2))
            shape = [size if i == kept else 1 for i, size in enumerate(self.shape) if keep or i == kept]
            axes = [i + 1 for i in range(len(self.shape)) if i != kept]
            self.add("ReduceMean", shape, axes=axes, keepdims=keep)

    def residual(self):
        self.add("Add", self.shape, self._other(lambda shape: shape == self.shape))

    def concat(self):
        axis = int(self.rng.integers(len(self.shape)))
        rest = self.shape[:axis] + self.shape[axis + 1 :]
        other = self._other(lambda shape: len(shape) > axis and shape[:axis] + shape[axis + 1 :] == rest)
        more = next(shape[axis] for name, shape in [*self.past, (self.top, self.shape)] if name == other)
        shape = (*self.shape[:axis], self.shape[axis] + more, *self.shape[axis + 1 :])
        self.add("Concat", shape, other, axis=axis + 1)

    def _other(self, fits):
        names = [name for name, shape in [*self.past, (self.top, self.shape)] if fits(shape)]
        return str(names[self.rng.integers(len(names))])


STEPS = ("transpose", "transpose", "reshape", "scale", "norm", "conv", "mean", "residual", "concat")


def random_chain(rng):
    shape = tuple(rng.integers(1, 5, rng.integers(1, 4)).tolist())
    chain = Chain(rng, shape)
    for step in rng.choice(STEPS, rng.integers(2, 8)):
        getattr(chain, step)()
    chain.add("Flatten", [prod(chain.shape)])
    chain.add("MatMul", [4], rng.choice([-1.0, 1.0], (*chain.shape, 4)))
    chain.nodes[-1].output[0] = "y"
    return model(chain.nodes, tensors(**chain.arrays), shape), rng.normal(size=(2, *shape))


def equal_or_refused(seed, folder):
    built, x = random_chain(np.random.default_rng(seed))
    try:
        graph = imported(built, folder)
    except BcsimError:
        return False
    values = evaluate_graph(graph, np.float64(np.float32(x)))[graph.output]
    np.testing.assert_allclose(values, runtime(built, x), rtol=1e-3, atol=1e-3, err_msg=f"seed {seed}")
    return True


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_equal_or_refused(first, tmp_path):
    assert sum(equal_or_refused(seed, tmp_path) for seed in range(first, first + 50)) >= 20
