"""How raw levels (pixels as a data set stores them) and floats become the integers that a program takes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.common.metadata import PREPROCESSING_KEY
from bcsim.compiler.program.layers import Program
from bcsim.data.dataset import Dataset
from bcsim.data.named import NAMES
from bcsim.execution.input_origin import program_reading

__all__ = ["arranged", "check_preprocessing", "program_input"]


def check_preprocessing(metadata: Mapping[str, str], data: Dataset) -> None:
    """Raise BcsimError where a network trained on preprocessed images is given a data set as it is published."""
    kind = metadata.get(PREPROCESSING_KEY)
    if kind and data.name in NAMES:
        raise BcsimError(
            f"The network takes images preprocessed by {kind}, and data set {data.name} holds plain pixels: give an "
            ".npz file of preprocessed images (bcsim train --preprocessed writes them)"
        )


def arranged(program: Program, x: NDArray[np.generic]) -> NDArray[np.generic]:
    """Images (n, inputs) from the float network's order, mostly (channel, row, column), into the program's."""
    if program.input.order is not None:
        return x[:, program.input.order]
    channels = program.layers[0].geometry.channels[0]
    return x.reshape(len(x), channels, -1).swapaxes(1, 2).reshape(len(x), -1)


def program_input(program: Program, data: Dataset) -> NDArray[np.uint16]:
    """The program's input q (n, inputs) for a data set, as `execute` takes it.

    Raises BcsimError for images of another size, for levels that the program has no encoding for, and for plain
    images where the network needs preprocessed ones.
    """
    check_preprocessing(program.metadata, data)
    x, reading = data.flat(program.inputs), program_reading(program, data)
    if not data.is_float and reading.pixel == program.input.pixel:
        return _of_levels(program, data.name, x.astype(np.int64))
    floats = reading.inputs(data, program.input_shape)
    if reading.channels:
        return _of_levels(program, data.name, program_reading(program).nearest(floats, program.input_shape))
    return program.input.encode(arranged(program, floats))


def _of_levels(program: Program, name: str, levels: NDArray[np.int64]) -> NDArray[np.uint16]:
    top = program.input.pixel.levels - 1
    if levels.max() > top:
        raise BcsimError(f"Data set {name} has levels up to {levels.max()}, and the program takes 0 to {top}")
    return program.input.encode_levels(arranged(program, levels).astype(np.int64))
