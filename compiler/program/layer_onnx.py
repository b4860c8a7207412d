"""Layers of a stored program: the nodes and tensors of each, written and read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields as field_names
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.onnx_file import MAX_ELEMENTS
from bcsim.compiler.program.check import MAX_ACCUMULATOR, MAX_FRACTION_BITS
from bcsim.compiler.program.geometry import Geometry, Pool
from bcsim.compiler.program.layers import (
    ConvLayer,
    DenseLayer,
    Divide,
    Encoding,
    Requantiser,
    Search,
    WeightPlane,
    over_windows,
)
from bcsim.compiler.program.node_fields import NodeFields
from bcsim.compiler.program.text import layer_text

__all__ = ["DOMAIN", "encoding_attributes", "layer_arrays", "layer_node", "make_node", "read_layer"]

DOMAIN = "bcsim"
# No tensor of at most MAX_ELEMENTS values has more positions in a row.
MAX_SIZE = 1 << 20


def layer_node(layer: DenseLayer, reads: Sequence[str], tensors: Sequence[str], output: str) -> NodeProto:
    """The node of a layer that reads the tensors `reads`, then its stored `tensors`, and gives `output`."""
    divide = layer.requantiser if isinstance(layer.requantiser, Divide) else None
    attributes = {
        "inputs": layer.inputs,
        "outputs": layer.outputs,
        "shifts": [plane.shift for plane in layer.planes],
        "requantiser": "divide" if divide else "search",
        "fraction_bits": divide.fraction_bits if divide else 0,
        "low": layer.low,
        "high": layer.high,
        "exact": int(layer.exact),
        "float_output": layer.float_output,
        **encoding_attributes("source", layer.source),
        **encoding_attributes("target", layer.target),
        **(_window_attributes(layer.windows) if isinstance(layer, ConvLayer) else {}),
    }
    kind = "Conv" if isinstance(layer, ConvLayer) else "Dense"
    node = make_node(kind, layer.name, [*reads, *tensors], output, attributes)
    node.doc_string = layer_text(layer)
    return node


def make_node(
    kind: str, name: str, inputs: Sequence[str], output: str, attributes: Mapping[str, Any]
) -> NodeProto:
    """A node of the domain `bcsim`."""
    node = helper.make_node(kind, list(inputs), [output], name=name, domain=DOMAIN)
    node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    return node


def encoding_attributes(name: str, encoding: Encoding) -> dict[str, int | str]:
    """The attributes that `NodeFields.encoding` reads."""
    return {
        f"{name}_bits": encoding.bits,
        f"{name}_scale": str(encoding.scale),
        f"{name}_offset": str(encoding.offset),
    }


def layer_arrays(layer: DenseLayer) -> dict[str, NDArray[Any]]:
    """The stored tensors of a layer, in the order in which its node reads them."""
    arrays: dict[str, NDArray[Any]] = {"weights": np.stack([plane.packed for plane in layer.planes])}
    if isinstance(layer.requantiser, Divide):
        arrays |= {"offset": layer.requantiser.offset, "divisor": layer.requantiser.divisor}
    else:
        arrays |= {"thresholds": layer.requantiser.thresholds}
    if isinstance(layer, ConvLayer) and layer.minimum is not None:
        arrays |= {"minimum": layer.minimum.astype(np.uint8)}
    return arrays


def read_layer(fields: NodeFields, kind: str, sources: tuple[str, ...]) -> DenseLayer:
    """The layer of a node of `kind` Dense or Conv that reads the layers `sources`. Raises BcsimError."""
    first = len(sources)
    shifts = fields.integers("shifts", 0, 15)
    packed = fields.tensor(first, "uint8", 3)
    if len(packed) != len(shifts):
        raise BcsimError(f"node {fields.name!r} has {len(packed)} weight planes and {len(shifts)} shifts")
    layer = DenseLayer(
        name=fields.name,
        inputs=fields.integer("inputs", 1, MAX_ELEMENTS),
        outputs=fields.integer("outputs", 1, MAX_ELEMENTS),
        source=fields.encoding("source"),
        target=fields.encoding("target"),
        planes=tuple(WeightPlane(shift, plane) for shift, plane in zip(shifts, packed, strict=True)),
        requantiser=_requantiser(fields, first + 1),
        low=fields.integer("low", -MAX_ACCUMULATOR, MAX_ACCUMULATOR),
        high=fields.integer("high", -MAX_ACCUMULATOR, MAX_ACCUMULATOR),
        exact=bool(fields.integer("exact", 0, 1)),
        float_output=fields.text("float_output"),
    )
    if kind == "Dense":
        return layer
    return over_windows(layer, _geometry(fields), sources, _minimum(fields, layer, first))


def _requantiser(fields: NodeFields, first: int) -> Requantiser:
    bits = fields.encoding("target").bits
    kind = fields.text("requantiser")
    if kind == "divide":
        fraction_bits = fields.integer("fraction_bits", 0, MAX_FRACTION_BITS)
        offset, divisor = (fields.tensor(index, "int64", 1) for index in (first, first + 1))
        return Divide(bits, fraction_bits, offset, divisor)
    if kind == "search":
        return Search(bits, fields.tensor(first, "int64", 2))
    raise BcsimError(f"node {fields.name!r} has the requantiser {kind!r}; accepted are 'divide' and 'search'")


def _window_attributes(geometry: Geometry) -> dict[str, Any]:
    pool = geometry.pool and {"pool_kernel": geometry.pool.kernel, "pool_stride": geometry.pool.stride}
    names = (field.name for field in field_names(Geometry) if field.name != "pool")
    return {name: getattr(geometry, name) for name in names} | (pool or {})


def _pool(fields: NodeFields) -> Pool | None:
    """Files of bcsim 0.1.0 and before have both sizes in one attribute."""
    if fields.has("pool"):
        sizes = fields.four("pool", 1, MAX_SIZE)
        return Pool(sizes[:2], sizes[2:])
    if not fields.has("pool_kernel"):
        return None
    return Pool(fields.pair("pool_kernel", 1, MAX_SIZE), fields.pair("pool_stride", 1, MAX_SIZE))


def _geometry(fields: NodeFields) -> Geometry:
    return Geometry(
        height=fields.integer("height", 1, MAX_SIZE),
        width=fields.integer("width", 1, MAX_SIZE),
        channels=_channels(fields),
        kernel=fields.pair("kernel", 1, MAX_SIZE),
        stride=fields.pair("stride", 1, MAX_SIZE),
        pads=fields.four("pads", 0, MAX_SIZE),
        groups=fields.integer("groups", 1, MAX_SIZE),
        pad_level=fields.integer("pad_level", 0, (1 << 16) - 1),
        pool=_pool(fields),
    )


def _channels(fields: NodeFields) -> tuple[int, ...]:
    channels = fields.integers("channels", 1, MAX_SIZE)
    if not channels:
        raise BcsimError(f"node {fields.name!r} has no channels; it needs a number for each layer it reads")
    return channels


def _minimum(fields: NodeFields, layer: DenseLayer, first: int) -> NDArray[np.bool_] | None:
    """The tensor behind the weights and the requantiser's, where there is one."""
    index = first + (3 if isinstance(layer.requantiser, Divide) else 2)
    return fields.tensor(index, "uint8", 1).astype(np.bool_) if fields.tensors > index else None
