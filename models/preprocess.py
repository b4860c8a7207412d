"""Global contrast normalisation and ZCA whitening: what a host does to images before the accelerator sees them.

Both mix all pixels of an image, and whitening needs products with real numbers, so neither belongs on an
accumulate-only array. Their result is rounded to 8 bits here, once, for training, test and hardware alike: a
network trained on it takes these levels where others take pixels.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcsim.models.recipes import Preprocessing

Levels = NDArray[np.uint8]
Floats = NDArray[np.floating]

# Levels 0..255 mean -4..+4 standard deviations of a normalised image.
SCALE, OFFSET = Fraction(1, 32), Fraction(-4)
# Added to the variances of the principal components, as pylearn2 does for CIFAR-10.
_FILTER_BIAS = 0.1
_MIN_DEVIATION = 1e-8
_BLOCK = 5000


@dataclass(frozen=True, slots=True)
class Preprocessor:
    """Per-image normalisation to mean 0 and variance 1, then `whitening` (pixels, pixels) about `mean` if given."""

    mean: Floats | None = None
    whitening: Floats | None = None

    def levels(self, images: Levels) -> Levels:
        """Preprocessed `images` (n, pixels), each value rounded to the nearest of the levels above."""
        blocks = [self._levels(images[i : i + _BLOCK]) for i in range(0, len(images), _BLOCK)]
        return np.concatenate(blocks)

    def _levels(self, images: Levels) -> Levels:
        x: Floats = normalise(images)
        if self.mean is not None and self.whitening is not None:
            x = (x - self.mean) @ self.whitening
        levels = np.rint((x - float(OFFSET)) / float(SCALE))
        return np.asarray(np.clip(levels, 0, 255), np.uint8)


def normalise(images: Levels) -> Floats:
    """Each row of `images` (n, pixels) less its mean, over its standard deviation; a constant image becomes 0."""
    x = images.astype(np.float32)
    x -= x.mean(axis=1, keepdims=True)
    deviation = np.sqrt(np.mean(np.square(x), axis=1, keepdims=True))
    return np.asarray(x / np.where(deviation < _MIN_DEVIATION, 1, deviation), np.float32)


def fit(kind: Preprocessing, images: Levels) -> Preprocessor | None:
    """The preprocessing that training `images` (n, pixels) define; None for `none`.

    Whitening is V (D + 0.1)**-0.5 V', where V D V' is the covariance of the normalised images.
    """
    if kind == "none":
        return None
    if kind == "gcn":
        return Preprocessor()
    mean, covariance = _moments(images)
    variances, components = np.linalg.eigh(covariance)
    whitening = (components / np.sqrt(variances + _FILTER_BIAS)) @ components.T
    return Preprocessor(mean, whitening.astype(np.float32))


def _moments(images: Levels) -> tuple[Floats, Floats]:
    """Mean (pixels,) and covariance (pixels, pixels) of the normalised images, block by block to spare memory."""
    total: Floats = np.zeros(1, np.float32)
    products: Floats = np.zeros(1, np.float32)
    for start in range(0, len(images), _BLOCK):
        x = normalise(images[start : start + _BLOCK])
        total, products = total + x.sum(axis=0), products + x.T @ x
    mean = np.asarray(total / len(images), np.float32)
    return mean, np.asarray(products / len(images) - np.outer(mean, mean), np.float32)
