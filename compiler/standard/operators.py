"""Nodes and constants of a standard ONNX graph in the making."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

__all__ = ["Operators", "narrowest"]


def narrowest(integers: NDArray[Any]) -> NDArray[Any]:
    """The same integers in the least of int8, int16, int32 and int64 that holds them."""
    least, most = int(integers.min()), int(integers.max())
    kinds = (np.int8, np.int16, np.int32, np.int64)
    kind = next(kind for kind in kinds if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max)
    return integers.astype(kind)


class Operators:
    """The nodes and constants so far. Tensors are named after what makes them: `layer0.Conv`, `layer0.offset`.

    scope : what the names begin with.
    """

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.scope = ""
        self._taken: Counter[str] = Counter()

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The output of a new node of the operator `kind`."""
        name = self._name(kind)
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def end(self, kind: str, tensor: str, output: str, **attributes: Any) -> None:
        """A node of one input that gives an output of the graph."""
        self.nodes.append(helper.make_node(kind, [tensor], [output], name=self._name(kind), **attributes))

    def cast(self, tensor: str, kind: int) -> str:
        """The tensor as elements of another type of TensorProto."""
        return self.add("Cast", tensor, to=kind)

    def constant(self, values: NDArray[Any], what: str) -> str:
        """A stored tensor."""
        name = self._name(what)
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def scalar(self, value: int, what: str) -> str:
        """A stored int64 that is one value."""
        return self.constant(np.array(value, dtype=np.int64), what)

    def reshape(self, tensor: str, shape: Sequence[int]) -> str:
        """The tensor in another shape, of which one size may be -1."""
        return self.add("Reshape", tensor, self.constant(np.array(shape, dtype=np.int64), "shape"))

    def _name(self, what: str) -> str:
        name = f"{self.scope}.{what}"
        self._taken[name] += 1
        count = self._taken[name]
        return name if count == 1 else f"{name}.{count}"
