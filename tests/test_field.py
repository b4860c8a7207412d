"""Small networks of kinds that people deploy, where a folder `field` lies beside the one that BCSIM_DATA names.

Each is NAME.onnx and NAME.npz: images x, right scores and right classes y.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import bcsim
from bcsim.data import load_dataset

FIELD = Path(os.environ.get("BCSIM_DATA", os.devnull)).parent / "field"
EXACT = ("flatten_then_quantiser", "flatten_then_sign", "one_score", "signed_float_input", "sum_of_signs")
ROUNDED = ("flatten_then_relu",)
"""Networks that leave a tensor unquantised: their classes are held, and their scores to a part of their span."""
PART = 1 / 64


@pytest.mark.parametrize("name", [*EXACT, *ROUNDED])
def test_a_network_of_the_field_gives_the_right_scores_at_both_levels(name: str) -> None:
    file = FIELD / f"{name}.npz"
    if not file.is_file():
        pytest.skip("no folder `field` beside the one that BCSIM_DATA names")
    model, data = bcsim.load(str(file.with_suffix(".onnx"))), load_dataset(str(file))
    program = bcsim.compile(model, calibration=data)
    program_run = bcsim.simulate(program, data, reference=model)
    bcsim.simulate(program, data, level="machine", images=2)
    expected = np.load(file)["scores"].reshape(len(data), -1)
    assert program.exact == (name in EXACT)
    step = float(program.layers[-1].target.scale)
    allowed = step if name in EXACT else PART * np.ptp(expected)
    np.testing.assert_allclose(program_run.scores_program, expected, rtol=1e-5, atol=allowed)
    if expected.shape[1] == 1:
        expected = np.concatenate([np.zeros_like(expected), expected], axis=1)  # class 1 where it is positive
    chosen = np.take_along_axis(expected, program_run.classes_program[:, None], axis=1)[:, 0]
    np.testing.assert_array_less(expected.max(axis=1) - chosen, allowed)
    assert name in ROUNDED or (program_run.classes_program == np.load(file)["y"]).all()
