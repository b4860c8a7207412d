"""Small networks of kinds that people deploy, where a folder `field` lies beside the one that BCSIM_DATA names.

Each is NAME.onnx and NAME.npz: images x and the right scores, or the right classes y alone.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import bcsim
from bcsim.data import load_dataset

FIELD = Path(os.environ.get("BCSIM_DATA", os.devnull)).parent / "field"
ROUNDED = {"flatten_then_relu", "qdq_accumulator"}
"""Tensors without a quantiser, and additions of unlike steps."""
ALLOWED = {"flatten_then_relu": 0.1, "qdq_accumulator": 0.01, "global_average_16x16": 0.02}
"""How far scores may be off: where something is rounded, and in means of such Signs as below."""
AS_COMPUTED = 0.9
"""Of the images, at least: where a Sign's input is 0 in exact arithmetic, float arithmetic may make it -1 or +1."""
FILES = sorted(FIELD.glob("*.onnx")) if FIELD.is_dir() else []


def chosen(scores: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """How far the score of the chosen class is from the greatest; of one score, whether its sign was taken."""
    if scores.shape[1] == 1:
        return np.abs(classes - (scores[:, 0] > 0))
    return scores.max(axis=1) - np.take_along_axis(scores, classes[:, None], axis=1)[:, 0]


@pytest.mark.skipif(not FILES, reason="no folder `field` beside the one that BCSIM_DATA names")
@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_network_of_the_field_gives_the_right_scores_at_both_levels(file: Path) -> None:
    data, right = load_dataset(str(file.with_suffix(".npz"))), np.load(file.with_suffix(".npz"))
    program = bcsim.compile(bcsim.load(str(file)), calibration=data)
    result = bcsim.simulate(program, data)
    bcsim.simulate(program, data, level="machine", images=2)
    if "scores" not in right:
        np.testing.assert_array_equal(result.classes_program, right["y"].ravel())
        return
    expected = right["scores"].reshape(len(data), -1).astype(np.float64)
    assert program.exact == (file.stem not in ROUNDED)
    allowed = ALLOWED.get(file.stem, float(program.layers[-1].target.scale) / 2)
    near = (np.abs(result.scores_program - expected) <= allowed + 1e-5 * np.abs(expected)).all(axis=1)
    assert near.mean() >= AS_COMPUTED
    assert (chosen(expected, result.classes_program)[near] <= 2 * allowed).all()
