"""The fields of a stored program's node, each checked as it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, TensorProto

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.onnx_file import OnnxFile, tensor_array
from bcsim.compiler.program.layers import Encoding
from bcsim.machine.widths import QUOTIENT_BITS

__all__ = ["NodeFields"]

# Exact scales of batch normalisation take about 600 decimal digits; Python refuses to read above 4300.
MAX_DIGITS = 4000


@dataclass(frozen=True, slots=True)
class NodeFields:
    """A node's attributes and the initialisers it reads. Every method raises BcsimError for a missing or wrong field.

    tensors : how many inputs the node has, the previous node's output counted.
    """

    name: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, AttributeProto]
    initialisers: Mapping[str, TensorProto]
    folder: Path

    @classmethod
    def of(cls, node: NodeProto, file: OnnxFile) -> NodeFields:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        initialisers = {tensor.name: tensor for tensor in file.model.graph.initializer}
        return cls(node.name, tuple(node.input), attributes, initialisers, file.folder)

    @property
    def tensors(self) -> int:
        return len(self.inputs)

    def integer(self, name: str, low: int, high: int) -> int:
        """An attribute that is an integer from low to high."""
        value = int(self._attribute(name, AttributeProto.INT, "an integer").i)
        self._check_range(name, value, low, high)
        return value

    def integers(self, name: str, low: int, high: int) -> tuple[int, ...]:
        """An attribute that is a list of integers from low to high."""
        values = tuple(self._attribute(name, AttributeProto.INTS, "a list of integers").ints)
        for value in values:
            self._check_range(name, value, low, high)
        return values

    def pair(self, name: str, low: int, high: int) -> tuple[int, int]:
        """An attribute that is a list of two integers from low to high."""
        first, second = self._several(name, 2, low, high)
        return first, second

    def four(self, name: str, low: int, high: int) -> tuple[int, int, int, int]:
        """An attribute that is a list of four integers from low to high."""
        first, second, third, fourth = self._several(name, 4, low, high)
        return first, second, third, fourth

    def has(self, name: str) -> bool:
        """Whether the node has the attribute."""
        return name in self.attributes

    def _several(self, name: str, count: int, low: int, high: int) -> tuple[int, ...]:
        values = self.integers(name, low, high)
        if len(values) != count:
            raise BcsimError(f"node {self.name!r} has {len(values)} integers in {name!r}; it needs {count}")
        return values

    def text(self, name: str) -> str:
        """An attribute that is a string of UTF-8."""
        value = self._attribute(name, AttributeProto.STRING, "a string").s
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise BcsimError(f"node {self.name!r} has the attribute {name!r}, which is not UTF-8") from None

    def encoding(self, name: str) -> Encoding:
        """The attributes name_bits, name_scale and name_offset."""
        scale = self._fraction(f"{name}_scale")
        if scale <= 0:
            raise BcsimError(f"node {self.name!r} has the {name}_scale {str(scale)!r}; it must be above 0")
        bits, offset = self.integer(f"{name}_bits", 1, QUOTIENT_BITS), self._fraction(f"{name}_offset")
        try:
            return Encoding(bits, scale, offset)
        except BcsimError as error:
            raise BcsimError(f"node {self.name!r}, {name}_scale and {name}_offset: {error}") from None

    def tensor(self, index: int, dtype: str, axes: int) -> NDArray[Any]:
        """The initialiser that is the node's input `index`, an array of `axes` axes."""
        name = self.inputs[index] if index < len(self.inputs) else ""
        if name not in self.initialisers:
            raise BcsimError(f"node {self.name!r} has no stored tensor as its input {index}")
        values = tensor_array(self.initialisers[name], self.folder)
        if values.dtype != dtype or values.ndim != axes:
            raise BcsimError(
                f"tensor {name!r} has {values.ndim} axes of type {values.dtype}; it needs {axes} of type {dtype}"
            )
        return values

    def _attribute(self, name: str, kind: int, noun: str) -> AttributeProto:
        attribute = self.attributes.get(name)
        if attribute is None or attribute.type != kind:
            raise BcsimError(f"node {self.name!r} needs the attribute {name!r}, {noun}")
        return attribute

    def _fraction(self, name: str) -> Fraction:
        text = self.text(name)
        if len(text) > 2 * MAX_DIGITS or not re.fullmatch(
            rf"-?\d{{1,{MAX_DIGITS}}}(/\d{{1,{MAX_DIGITS}}})?", text, re.ASCII
        ):
            raise BcsimError(
                f"node {self.name!r} has the {name} {text[:40]!r}; it must be a fraction such as '1/255'"
            )
        try:
            return Fraction(text)
        except ZeroDivisionError:
            raise BcsimError(f"node {self.name!r} has the {name} {text[:40]!r}, which divides by 0") from None

    def _check_range(self, name: str, value: int, low: int, high: int) -> None:
        if not low <= value <= high:
            raise BcsimError(f"node {self.name!r} has {name} {value}; accepted are {low} to {high}")
