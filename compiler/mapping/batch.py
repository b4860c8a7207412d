"""Batches: several images of a dense network taken at once, as columns of tensors of one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import Layer, Program
from bcsim.machine.parameters import Machine

__all__ = ["batch_obstacle", "batch_size", "batched"]


def batch_size(program: Program, machine: Machine) -> int:
    """Images of the program that the machine takes at once: its `batch`, or 1 where something is in the way."""
    return 1 if batch_obstacle(program.layers) else machine.batch


def batch_obstacle(layers: Sequence[Layer]) -> str:
    """Why a machine that could take several images at once takes these layers' one by one; empty where it does not.

    Images lie side by side, so that a window of more than one position would reach into its neighbours.
    """
    for layer in layers:
        if not _apart(layer.geometry):
            return f"layer {layer.name!r} has windows or several positions"
    return ""


def batched(geometry: Geometry, images: int) -> Geometry:
    """The geometry of a layer of one position, once for every image."""
    return replace(geometry, width=images, stride=(1, 1)) if images > 1 else geometry


def _apart(geometry: Geometry) -> bool:
    """Whether the layer's window is the one position of its sources."""
    one = (geometry.height, geometry.width, geometry.kernel) == (1, 1, (1, 1))
    return one and not any(geometry.pads) and geometry.pool is None
