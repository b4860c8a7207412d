"""A convolution that covers one position and pads it is no dense layer: its border gives outputs of its own."""

from pathlib import Path

import numpy as np
import pytest

from bcsim import api
from bcsim.data import Dataset
from tests.compiler.build import model, node, save, tensors

PIXELS = Dataset(
    "pixels", np.random.default_rng(5).integers(0, 256, (40, 2, 1, 1)).astype(np.uint8), None, 8, 255
)


@pytest.mark.parametrize("pads", [[1, 0, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]])
@pytest.mark.parametrize("strides", [[1, 1], [2, 2], [3, 1]])
@pytest.mark.parametrize("activation", ["Relu", "Sign"])
def test_every_level_equals_onnxruntime(
    pads: list[int], strides: list[int], activation: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(sum(pads) + strides[0])
    rows, columns = ((1 + pads[axis] + pads[axis + 2] - 1) // strides[axis] + 1 for axis in (0, 1))
    path = save(
        model(
            [
                node("Conv", "x w1", "c", pads=pads, strides=strides),
                node(activation, "c", "a"),
                node("Flatten", "a", "f"),
                node("MatMul", "f w2", "y"),
            ],
            tensors(
                w1=rng.choice([-1.0, 1.0], (3, 2, 1, 1)), w2=rng.choice([-1.0, 1.0], (3 * rows * columns, 4))
            ),
            shape=(2, 1, 1),
        ),
        tmp_path,
    )
    loaded = api.load(path)
    program = api.compile(loaded, calibration=PIXELS, input="raw", range_method="max")
    result = api.simulate(program, PIXELS, level="machine", images=40, reference=loaded)
    assert result.scores_float is not None
    if activation == "Sign":
        assert program.exact
        np.testing.assert_array_equal(result.scores_program, result.scores_float)
    else:
        assert np.abs(result.scores_program - result.scores_float).max() <= 12 * rows * columns
