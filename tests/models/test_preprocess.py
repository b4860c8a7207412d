import dataclasses

import numpy as np

from bcsim.models.data import load_splits
from bcsim.models.preprocess import OFFSET, SCALE, fit, normalise
from bcsim.models.recipes import RECIPES


def _images(n: int = 600, pixels: int = 12) -> np.ndarray:
    """Images whose pixels are correlated, as neighbours in photographs are."""
    rng = np.random.default_rng(5)
    mixed = rng.normal(size=(n, pixels)) @ rng.normal(size=(pixels, pixels)) * 12 + 128
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _decoded(levels: np.ndarray) -> np.ndarray:
    return levels * float(SCALE) + float(OFFSET)


def test_nothing_to_do_is_nothing() -> None:
    assert fit("none", _images()) is None


def test_each_image_gets_mean_0_and_variance_1() -> None:
    x = normalise(_images())
    np.testing.assert_allclose(x.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(x.var(axis=1), 1, rtol=1e-5)


def test_constant_image_becomes_0() -> None:
    assert not normalise(np.full((2, 9), 77, np.uint8)).any()


def test_levels_are_the_nearest() -> None:
    preparation = fit("gcn", _images())
    assert preparation is not None
    images = _images()
    expected = np.clip(normalise(images), -4, 4 - 1 / 32)
    assert np.abs(_decoded(preparation.levels(images)) - expected).max() <= 1 / 64 + 1e-6


def test_whitening_is_that_of_its_formula() -> None:
    images = _images()
    preparation = fit("gcn-zca", images)
    assert preparation is not None
    assert preparation.whitening is not None
    normal = normalise(images).astype(np.float64)
    covariance = np.cov(normal, rowvar=False, bias=True)
    squared = preparation.whitening.astype(np.float64) @ preparation.whitening
    np.testing.assert_allclose(squared @ (covariance + 0.1 * np.eye(12)), np.eye(12), atol=1e-3)
    np.testing.assert_allclose(preparation.whitening, preparation.whitening.T, atol=1e-4)


def test_blocks_do_not_show() -> None:
    images = np.tile(_images(), (10, 1))
    preparation = fit("gcn-zca", images)
    assert preparation is not None
    levels = preparation.levels(images)
    assert len(levels) == 6000
    np.testing.assert_array_equal(levels[5700:], preparation.levels(images[5700:]))


def test_splits_are_preprocessed_with_what_training_images_define() -> None:
    plain = load_splits(RECIPES["digits"])
    found = load_splits(dataclasses.replace(RECIPES["digits"], preprocess="gcn-zca"))
    preparation = fit("gcn-zca", plain.train.levels)
    assert preparation is not None
    np.testing.assert_array_equal(found.test.levels, preparation.levels(plain.test.levels))
    assert found.test.x.min() >= -4
    np.testing.assert_array_equal(found.test.values[[0, 128, 255]], np.float32([-4, 0, 4 - 1 / 32]))
    np.testing.assert_array_equal(found.validation.y, plain.validation.y)
