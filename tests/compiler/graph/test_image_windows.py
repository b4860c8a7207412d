import numpy as np
import pytest

from bcsim.compiler.graph import image_windows
from bcsim.compiler.graph.image_windows import correlate, taps, windows

RNG = np.random.default_rng(53)


def by_definition(x, weights, stride, pads, groups):
    """One number at a time, in the letters of graph.Conv."""
    top, left, bottom, right = pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    outputs, inputs, rows, columns = weights.shape
    size = ((padded.shape[2] - rows) // stride[0] + 1, (padded.shape[3] - columns) // stride[1] + 1)
    result = np.empty((len(x), outputs, *size))
    for n, o, r, s in np.ndindex(result.shape):
        first = o * groups // outputs * inputs
        down, right = r * stride[0], s * stride[1]
        window = padded[n, first : first + inputs, down : down + rows, right : right + columns]
        result[n, o, r, s] = (window * weights[o]).sum()
    return result


@pytest.mark.parametrize("block", [1, 400, 2**23])
@pytest.mark.parametrize("seed", range(10))
def test_correlation(seed, block, monkeypatch):
    monkeypatch.setattr(image_windows, "_BLOCK", block)
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 4))
    inputs, outputs = groups * rng.integers(1, 4), groups * rng.integers(1, 3)
    kernel, stride = rng.integers(1, 4, 2), tuple(rng.integers(1, 4, 2).tolist())
    pads = tuple(rng.integers(0, 3, 4).tolist())
    x = rng.integers(-9, 10, (3, inputs, 5, 6)).astype(np.float64)
    weights = rng.integers(-3, 4, (outputs, inputs // groups, *kernel)).astype(np.int16)
    expected = by_definition(x, weights, stride, pads, groups)
    np.testing.assert_array_equal(correlate(x, weights, stride, pads, groups), expected)


def test_correlation_of_no_images():
    assert correlate(np.zeros((0, 2, 5, 5)), np.ones((3, 2, 2, 2)), (1, 1), (0, 0, 0, 0), 1).shape == (
        0,
        3,
        4,
        4,
    )


def test_windows_are_views_of_unpadded_images():
    x = RNG.normal(size=(2, 1, 4, 5))
    found = windows(x, (3, 2), (1, 3), (0, 0, 0, 0))
    assert found.shape == (2, 1, 2, 2, 3, 2)
    assert np.shares_memory(found, x)
    np.testing.assert_array_equal(found[1, 0, 1, 1], x[1, 0, 1:4, 3:5])


def test_taps_in_row_major_order():
    x = np.arange(6.0).reshape(1, 1, 2, 3)
    assert [tap.ravel().tolist() for tap in taps(x, (2, 2), (1, 1), (0, 0, 0, 0))] == [
        [0, 1],
        [1, 2],
        [3, 4],
        [4, 5],
    ]
