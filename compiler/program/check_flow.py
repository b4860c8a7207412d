"""Checks of what a program's layers read: names, shapes, encodings and windows."""

from __future__ import annotations

from collections import Counter
from math import prod

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.shapes import MAX_VALUES, MAX_WINDOW_VALUES
from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import ConvLayer, DenseLayer, Encoding, Program

__all__ = ["check_flow"]


Tensor = tuple[int, int, int, Encoding]


def check_flow(program: Program) -> None:
    """Raise BcsimError naming the first layer that reads what is not there or in windows that do not fit."""
    first = program.layers[0].geometry
    tensors = {"": (first.height, first.width, first.channels[0], program.input.stream)}
    _check_names(program)
    before = ""
    for layer in program.layers:
        if isinstance(layer, ConvLayer):
            _check_windows(layer)
            _check_sources(layer, tensors)
        else:
            _check_before(layer, tensors[before])
        tensors[layer.name] = (*layer.geometry.output, layer.outputs, layer.target)
        before = layer.name


def _check_names(program: Program) -> None:
    """Layers that others name have one name each; "" is the input's."""
    if any(isinstance(layer, ConvLayer) for layer in program.layers):
        names = Counter(["", *(layer.name for layer in program.layers)])
        name, count = names.most_common(1)[0]
        if count > 1:
            raise BcsimError(f"The program has {count} layers named {name!r}; each needs a name of its own")


def _check_before(layer: DenseLayer, tensor: Tensor) -> None:
    rows, columns, channels, encoding = tensor
    if layer.source != encoding or (rows, columns, layer.inputs) != (1, 1, channels):
        raise BcsimError(
            f"Layer {layer.name!r} takes {layer.inputs} inputs of {layer.source.bits} bits, "
            f"but what comes before it gives {rows * columns * channels} of {encoding.bits} bits, or means other values"
        )


def _check_sources(layer: ConvLayer, tensors: dict[str, Tensor]) -> None:
    geometry = layer.windows
    if not layer.sources or len(layer.sources) != len(geometry.channels):
        raise BcsimError(
            f"Layer {layer.name!r} reads {len(layer.sources)} layers and states the channels of "
            f"{len(geometry.channels)}; both must be the same, at least 1"
        )
    for name, channels in zip(layer.sources, geometry.channels, strict=True):
        if name not in tensors:
            raise BcsimError(f"Layer {layer.name!r} reads {name!r}, which is not a layer before it")
        rows, columns, given, encoding = tensors[name]
        # An addition weighs sources that have as many bits and mean other values.
        fits = layer.source == encoding or (name != layer.sources[0] and layer.source.bits == encoding.bits)
        if (geometry.height, geometry.width, channels) != (rows, columns, given) or not fits:
            raise BcsimError(
                f"Layer {layer.name!r} takes {geometry.height}x{geometry.width}x{channels} values of "
                f"{layer.source.bits} bits, but {name or 'the input'!r} gives {rows}x{columns}x{given} of "
                f"{encoding.bits} bits, or means other values"
            )


def _check_windows(layer: ConvLayer) -> None:
    geometry = layer.windows
    if any(size < 1 for size in (*geometry.channels, *geometry.kernel, *geometry.stride, geometry.groups)):
        raise BcsimError(f"Layer {layer.name!r} has channels, a kernel, a stride or groups below 1")
    if min(geometry.pads) < 0 or not 0 <= geometry.pad_level < layer.source.levels:
        raise BcsimError(
            f"Layer {layer.name!r} pads by {list(geometry.pads)} with level {geometry.pad_level}; accepted are pads "
            f"from 0 and levels from 0 to {layer.source.levels - 1}"
        )
    if any(size % geometry.groups for size in (*geometry.channels, layer.outputs)):
        raise BcsimError(
            f"Layer {layer.name!r} has {geometry.groups} groups; they must divide its channels and its "
            f"{layer.outputs} outputs"
        )
    if layer.inputs != geometry.window_inputs:
        raise BcsimError(
            f"Layer {layer.name!r} has {layer.inputs} inputs, but its windows have {geometry.window_inputs}"
        )
    _check_size(layer, geometry)
    minimum = layer.minimum
    if minimum is not None and (geometry.pool is None or minimum.shape != (layer.outputs,)):
        raise BcsimError(
            f"Layer {layer.name!r} takes the minimum of {np.size(minimum)} channels; only a layer with pooling "
            f"can, with an entry for each of its {layer.outputs} outputs"
        )


def _check_size(layer: ConvLayer, geometry: Geometry) -> None:
    pool = geometry.pool
    if pool is not None and min(*pool.kernel, *pool.stride) < 1:
        raise BcsimError(f"Layer {layer.name!r} has a pooling kernel or stride below 1")
    if min(*geometry.windows, *geometry.output) < 1:
        raise BcsimError(f"Layer {layer.name!r} has no whole window in its sources")
    top, left, bottom, right = geometry.pads
    padded = (geometry.height + top + bottom) * (geometry.width + left + right) * sum(geometry.channels)
    if max(padded, prod(geometry.windows) * layer.outputs) > MAX_VALUES:
        raise BcsimError(
            f"Layer {layer.name!r} reads or computes more than {MAX_VALUES} values for one image"
        )
    if prod(geometry.windows) * geometry.groups * layer.inputs > MAX_WINDOW_VALUES:
        raise BcsimError(
            f"Layer {layer.name!r} reads more than {MAX_WINDOW_VALUES} values in the windows of one image"
        )
