"""Ranges from calibration values."""

from fractions import Fraction

import numpy as np
import pytest

from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.lowering.calibrate import Ranging, calibration_values, range_encoding
from bcsim.compiler.program.layers import Encoding
from tests.compiler.exact import affine, chain_graph, dense, relu
from tests.compiler.nets import Net


def _top(encoding: Encoding) -> float:
    return float(encoding.scale) * (encoding.levels - 1) + float(encoding.offset)


def _error(values: np.ndarray, encoding: Encoding) -> float:
    q = np.clip(np.rint((values - float(encoding.offset)) / float(encoding.scale)), 0, encoding.levels - 1)
    return float(((encoding.decode(q) - values) ** 2).mean())


def test_max_takes_the_greatest_value() -> None:
    encoding = range_encoding(np.array([[0.0, 0.5], [3.0, 1.0]]), 2, Ranging("max"))
    assert encoding == Encoding(2, Fraction(1), Fraction(0))


@pytest.mark.parametrize(("percentile", "top"), [(100, 100), (99, 99), (90, 90), (50.1, 50)])
def test_percentile_leaves_out_the_values_beyond(percentile: float, top: float) -> None:
    encoding = range_encoding(np.arange(101.0), 8, Ranging("percentile", percentile))
    assert _top(encoding) == pytest.approx(top)


def test_percentile_applies_to_both_sides_of_signed_values() -> None:
    encoding = range_encoding(np.arange(-100.0, 101.0), 8, Ranging("percentile", 95))
    assert float(encoding.offset) == pytest.approx(-90, abs=1)
    assert _top(encoding) == pytest.approx(90, abs=1)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("signed", [False, True])
def test_mse_errs_no_more_than_the_other_methods(bits: int, signed: bool) -> None:
    values = np.random.default_rng(1).normal(0, 1, 5000) ** 3
    values = values if signed else np.maximum(values, 0)
    errors = [_error(values, range_encoding(values, bits, Ranging(m))) for m in ("mse", "max", "percentile")]
    assert errors[0] <= min(errors[1:])


def test_zero_is_a_level_of_signed_values() -> None:
    encoding = range_encoding(np.array([-0.37, 1.0]), 3, Ranging("max"))
    assert (encoding.offset / encoding.scale).denominator == 1
    assert encoding.offset < 0


def test_negative_values_end_at_zero() -> None:
    encoding = range_encoding(np.array([-7.0, -1.0]), 3, Ranging("max"))
    assert encoding == Encoding(3, Fraction(1), Fraction(-7))


@pytest.mark.parametrize("method", ["max", "mse", "percentile"])
def test_a_tensor_of_zeros_gets_the_range_of_one(method: str) -> None:
    encoding = range_encoding(np.zeros(4), 1, Ranging(method))  # type: ignore[arg-type]
    assert encoding == Encoding(1, Fraction(1), Fraction(0))


def test_calibration_values_of_more_images_than_a_batch() -> None:
    graph = chain_graph([dense([[1, -1], [1, 1]]), affine(2.0, 1.0), relu()], 2)
    images = np.random.default_rng(2).normal(size=(600, 2))
    values = calibration_values(graph, images, ["t0", "t2"])
    expected = evaluate_graph(graph, images)
    assert set(values) == {"t0", "t2"}
    assert all((values[name] == expected[name].reshape(-1)).all() for name in values)


def test_a_large_tensor_is_sampled_with_its_extremes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bcsim.compiler.lowering.calibrate._KEPT_VALUES", 300)
    monkeypatch.setattr("bcsim.compiler.lowering.calibrate._BLOCK_VALUES", 640)
    net = Net(np.random.default_rng(3), (1, 8, 8))
    graph = net.end(net.relu(net.conv("x", 1, (1, 1))))
    images = np.random.default_rng(2).normal(size=(60, 1, 8, 8))
    images[17, 0, 3, 4] = 50 * graph.nodes[0].weights[0, 0, 0, 0]  # type: ignore[attr-defined]
    (values,) = calibration_values(graph, images, ["relu1"]).values()
    expected = evaluate_graph(graph, images)["relu1"]
    assert 250 < len(values) < 350
    assert values.max() == expected.max()
    assert values.min() == expected.min()
    assert np.isin(values, expected).all()
    assert np.median(values) == pytest.approx(np.median(expected), abs=0.2)


def test_a_sample_meets_every_column() -> None:
    columns = np.tile(np.where(np.arange(32) % 2, 100.0, 1.0), 4096)
    assert _top(range_encoding(columns, 8, Ranging("mse"))) == pytest.approx(100, abs=1)
