"""What the pieces of a random network are added to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import NodeProto, helper

__all__ = ["BREVITAS", "CHANNELS_LAST", "FINN", "MICROSOFT", "Array", "Builder", "Draw", "Seeded", "Tensor"]

Array: TypeAlias = NDArray[Any]
Draw: TypeAlias = Any
BREVITAS, MICROSOFT = "onnx.brevitas", "com.microsoft"
CHANNELS_LAST = "qonnx.custom_op.channels_last"
FINN = ("qonnx.custom_op.general", "finn.custom_op.general")


@dataclass(frozen=True)
class Tensor:
    """A tensor of the network: its shape without the batch axis, and about the greatest magnitude in it."""

    name: str
    shape: tuple[int, ...]
    span: float


@dataclass
class Builder:
    """Nodes and constants so far, and the random choices that add to them.

    quantised : whether every tensor between layers is. real : whether weights are too wide to be integers unasked.
    classes : whether the output holds classes, not scores.
    """

    draw: Draw
    nodes: list[NodeProto] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    quantised: bool = True
    real: bool = False
    classes: bool = False

    def __post_init__(self) -> None:
        self.seed = self.whole(0, 2**31)
        self.random = np.random.default_rng(self.seed)

    def whole(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def one_of(self, *values: Any) -> Any:
        return self.draw(st.sampled_from(values))

    def rarely(self, often: int) -> bool:
        """True once in `often` times; shrinks to False."""
        return self.whole(0, often - 1) == often - 1

    def constant(self, values: Any, kind: Any = np.float32) -> str:
        """The name of a stored tensor; every value must be one of its type."""
        wide = np.asarray(values, dtype=np.float64)
        array = wide.astype(kind)
        assert (array.astype(np.float64) == wide).all(), "a constant is not exactly representable"
        name = f"c{len(self.arrays)}"
        self.arrays[name] = array
        return name

    def node(
        self, op: str, inputs: Sequence[str], domain: str = "", outputs: int = 1, **attributes: Any
    ) -> str:
        """The name of the first output of a new node; the others have _1, _2 behind it."""
        name = f"t{len(self.nodes)}"
        names = [name, *(f"{name}_{i}" for i in range(1, outputs))]
        self.nodes.append(
            helper.make_node(op, list(inputs), names, f"n{len(self.nodes)}", domain=domain, **attributes)
        )
        return name

    def dialect(self) -> str:
        """A domain of quantisers."""
        return str(self.one_of(BREVITAS, BREVITAS, "", *FINN))

    def channel_shape(self, x: Tensor) -> tuple[int, ...]:
        """The shape of a constant of one value for each channel of x."""
        return (x.shape[0], *[1] * (len(x.shape) - 1))

    def per_channel(self, x: Tensor, values: Sequence[float]) -> Array:
        """One of `values` for the tensor, or for each channel."""
        if self.rarely(3):
            return np.asarray(self.random.choice(values))
        return self.random.choice(values, self.channel_shape(x))


class Seeded(Builder):
    """Choices from a generator of numpy, in place of Hypothesis."""

    def whole(self, low: int, high: int) -> int:
        return int(self.draw.integers(low, high + 1))

    def one_of(self, *values: Any) -> Any:
        return values[self.whole(0, len(values) - 1)]
