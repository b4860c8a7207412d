"""The class of an image from its scores: the first greatest, of one score whether it is positive.

Letters in shapes: n images, C scores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.program.layers import Encoding, Program

__all__ = ["NEVER", "classes_of_levels", "classes_of_scores", "least_positive"]

NEVER = 1 << 16
"""More than any score's q."""


def least_positive(encoding: Encoding) -> int:
    """The least q that means a score above 0; NEVER where none does."""
    level = (-encoding.offset / encoding.scale).__floor__() + 1
    return min(max(level, 0), NEVER)


def classes_of_levels(program: Program, q: NDArray[np.uint16]) -> NDArray[np.int64]:
    """The class of each image, int64 (n,), of the last layer's q (n, C)."""
    if program.classes > 1:
        return np.asarray(q.argmax(axis=1), dtype=np.int64)
    return np.asarray(q[:, 0] >= least_positive(program.layers[-1].target), dtype=np.int64)


def classes_of_scores(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The class of each image, int64 (n,), of real scores (n, C)."""
    return scores.argmax(axis=1) if scores.shape[1] > 1 else np.asarray(scores[:, 0] > 0, dtype=np.int64)
