"""Fixed split of the UCI digits into training, validation and test images (numpy only)."""

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

_SEED = 0
_TEST = 0.2
_VALIDATION = 0.1


def digits_split(n: int) -> tuple[Indices, Indices, Indices]:
    """Training, validation and test indices of `n` images, ascending: 70, 10 and 20 %.

    The images come in runs 0, 1, ..., 9, so a rule on the index alone would unbalance the classes. Instead
    a permutation is cut: the first fifth is the test set, the next tenth the validation set. numpy promises
    that the stream of `RandomState` never changes (NEP 19), hence neither does the split.
    """
    order = np.random.RandomState(_SEED).permutation(n).astype(np.int64)
    test, validation = round(n * _TEST), round(n * _VALIDATION)
    return (
        np.sort(order[test + validation :]),
        np.sort(order[test : test + validation]),
        np.sort(order[:test]),
    )
