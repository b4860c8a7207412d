"""Fixed splits of the data sets into training, validation and test images (numpy only)."""

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

_DIGITS_SEED = 0
_DIGITS_TEST = 0.2
_DIGITS_VALIDATION = 0.1
_MNIST_VALIDATION = 10_000


def digits_split(n: int) -> tuple[Indices, Indices, Indices]:
    """Training, validation and test indices of the UCI digits: 70, 10 and 20 % of `n` images.

    The images come in runs 0, 1, ..., 9, so a rule on the index alone would unbalance the classes. Instead
    a permutation is cut: the first fifth is the test set, the next tenth the validation set. numpy promises
    that the stream of `RandomState` never changes (NEP 19), hence neither does the split.
    """
    order = np.random.RandomState(_DIGITS_SEED).permutation(n).astype(np.int64)
    test, validation = round(n * _DIGITS_TEST), round(n * _DIGITS_VALIDATION)
    return (
        np.sort(order[test + validation :]),
        np.sort(order[test : test + validation]),
        np.sort(order[:test]),
    )


def mnist_split(n: int) -> tuple[Indices, Indices]:
    """Training and validation indices of the `n` MNIST training images: the last 10,000 validate."""
    if n <= _MNIST_VALIDATION:
        raise ValueError(f"MNIST training set must have more than {_MNIST_VALIDATION} images, not {n}")
    indices = np.arange(n, dtype=np.int64)
    return indices[:-_MNIST_VALIDATION], indices[-_MNIST_VALIDATION:]
