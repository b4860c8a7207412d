"""Random ONNX networks of the operators and dialects of docs/onnx.md, every constant exactly representable.

A network is drawn from Hypothesis, which shrinks it; its weights come from one seed among what is drawn. Layers follow
each other as exporters write them: a linear operator, arithmetic, a quantiser, poolings and reshapes; branches meet in
additions and concatenations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.soak.builder import BREVITAS, CHANNELS_LAST, FINN, MICROSOFT, Builder, Draw, Seeded, Tensor
from tests.soak.linear import conv, dense, dense_at_positions, qlinear, windows_by_rows
from tests.soak.moves import ending, join, move
from tests.soak.quantisers import arithmetic, quantiser

__all__ = ["Case", "networks", "seeded"]

Array: TypeAlias = NDArray[Any]

IMAGES = 6
"""Of each of three kinds."""
FEW = (0, 64, 127, 128, 129, 192, 255)
INPUTS = {"raw": (1.0, 0.0), "1/256,0": (1 / 256, 0.0), "1/128,-1": (1 / 128, -1.0), "1,-128": (1.0, -128.0)}
"""Readings of raw levels, and the scale and offset that they give."""


@dataclass(frozen=True)
class Case:
    """A network, images of raw levels uint8 (n, values), and how they are read.

    quantised : whether every tensor between layers is, so that nothing needs calibration.
    weight_bits : that real weights are rounded to, which changes none that is drawn.
    """

    model: ModelProto
    levels: Array
    reading: str
    shape: tuple[int, ...]
    quantised: bool
    weight_bits: int | None

    @property
    def x(self) -> Array:
        """The network's float input, float64 (n, *shape)."""
        scale, offset = INPUTS[self.reading]
        return (self.levels * scale + offset).reshape(len(self.levels), *self.shape)

    def __repr__(self) -> str:
        nodes = "; ".join(
            f"{', '.join(n.output)} = {n.op_type}({', '.join(n.input)})"
            + "".join(f" {a.name}={helper.get_attribute_value(a)}" for a in n.attribute)
            for n in self.model.graph.node
        )
        return f"Case({self.reading}, {self.shape}, {nodes})"


@st.composite
def networks(draw: Draw) -> Case:
    """A network of one to four layers on flat inputs, sequences or images."""
    return build(Builder(draw))


def seeded(number: int) -> Case:
    """The network of a number, which is always the same."""
    return build(Seeded(np.random.default_rng(number)))


def build(b: Builder) -> Case:
    """The network that the choices of `b` make."""
    shape = b.one_of(
        (b.whole(1, 12),),
        (b.whole(1, 4), b.whole(1, 9)),
        (b.whole(1, 4), b.whole(1, 7), b.whole(1, 7)),
        (b.whole(1, 4), b.whole(3, 7), b.whole(3, 7)),
    )
    reading = b.one_of(*INPUTS)
    scale, offset = INPUTS[reading]
    x = Tensor("x", shape, max(abs(offset), abs(255 * scale + offset)))
    if b.rarely(4):
        x = quantiser(b, x)
    for _ in range(b.whole(0, 3)):
        x = _block(b, x)
    y = ending(b, _scores(b, x))
    model = _model(b, shape, y)
    levels = _images(np.random.default_rng(b.seed + 1), int(np.prod(shape)))
    return Case(model, levels, reading, shape, b.quantised, 8 if b.real else None)


def _images(random: np.random.Generator, values: int) -> Array:
    """Levels of any kind, of few kinds, and nearly all alike: sums of the latter meet bounds exactly."""
    few = random.choice(FEW, (IMAGES, values))
    alike = np.where(random.random((IMAGES, values)) < 0.2, few, random.choice(FEW, (IMAGES, 1)))
    return np.concatenate([random.integers(0, 256, (IMAGES, values)), few, alike]).astype(np.uint8)


def _block(b: Builder, x: Tensor) -> Tensor:
    """Linear operator, arithmetic, quantiser; now and then two of them that meet."""
    branches = [_branch(b, x)]
    if b.rarely(4):
        branches.append(x if b.rarely(3) and x.name != "x" else _branch(b, x))
    x = join(b, branches)
    for _ in range(b.whole(0, 2)):
        x = move(b, x)
    return x


def _branch(b: Builder, x: Tensor) -> Tensor:
    if b.rarely(8):
        return qlinear(b, x)
    if len(x.shape) > 1 and b.rarely(8):
        x = dense_at_positions(b, x)
    elif len(x.shape) == 3 and b.rarely(10):
        x = windows_by_rows(b, x)
    else:
        x = dense(b, x) if len(x.shape) == 1 or b.rarely(8) else conv(b, x)
    for _ in range(b.whole(0, 2)):
        x = arithmetic(b, x)
    return quantiser(b, x)


def _scores(b: Builder, x: Tensor) -> Tensor:
    if len(x.shape) > 1 and b.rarely(5):
        return conv(b, x)
    x = dense(b, x, outputs=b.whole(1, 5))
    for _ in range(b.whole(0, 1)):
        x = arithmetic(b, x)
    return x


def _model(b: Builder, shape: tuple[int, ...], y: Tensor) -> ModelProto:
    """The file; in half precision now and then, where that loses nothing."""
    half = b.rarely(8) and all(_survives(array) for array in b.arrays.values())
    element = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    made = [
        numpy_helper.from_array(
            array.astype(np.float16) if half and array.dtype == np.float32 else array, name
        )
        for name, array in b.arrays.items()
    ]
    source = helper.make_tensor_value_info("x", element, ["N", *shape])
    target = helper.make_tensor_value_info(y.name, TensorProto.INT64 if b.classes else element, None)
    graph = helper.make_graph(b.nodes, "drawn", [source], [target], made)
    opsets = [
        helper.make_opsetid("", 18),
        *(helper.make_opsetid(name, 1) for name in (BREVITAS, CHANNELS_LAST, MICROSOFT, *FINN)),
    ]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _survives(array: Array) -> bool:
    with np.errstate(over="ignore"):
        return array.dtype != np.float32 or bool((array.astype(np.float16).astype(np.float32) == array).all())
