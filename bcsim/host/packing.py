"""Images as the input stream carries them: numpy in, bytes out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.simulator.simulator import stream_values

__all__ = ["pack_images"]


def pack_images(mapping: Mapping, q: NDArray[np.integer]) -> NDArray[np.uint8]:
    """The stream's bytes uint8 (n, bytes) of images q, the first layer's levels (n, inputs).

    Images are in (row, column, channel) order, as bcsim.execution.raw_levels.program_input gives them. Every position
    is filled up with zeros to whole words of `input_bytes`, so that TKEEP is always all ones. Where the machine takes
    the first convolution's windows, positions are windows with their padding filled in.

    Raises BcsimError for a wrong shape and for levels that the input's encoding does not have.
    """
    if q.ndim != 2 or q.shape[1] != mapping.program.inputs:
        raise BcsimError(f"Images must be of shape (n, {mapping.program.inputs}), not {q.shape}")
    top = mapping.program.input.stream.levels - 1
    if q.size and (q.min() < 0 or q.max() > top):
        raise BcsimError(f"Images must have levels from 0 to {top}, not {q.min()} to {q.max()}")
    values = stream_values(mapping, q)
    images, positions, channels = values.shape
    width = mapping.machine.input_bytes
    padded = np.zeros((images, positions, -(-channels // width) * width), np.uint8)
    padded[:, :, :channels] = values
    return padded.reshape(images, -1)
