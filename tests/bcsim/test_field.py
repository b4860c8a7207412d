"""Small networks of kinds that people deploy, each with the right answer, where their folder stands beside the data."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import bcsim
from bcsim.compiler.program.classes import classes_of_levels
from bcsim.data import load_dataset
from bcsim.execution.execute import execute
from bcsim.execution.raw_levels import program_input

FOLDER = Path(os.environ.get("BCSIM_DATA", "")).parent / "field"
FILES = sorted(FOLDER.glob("*.onnx")) if "BCSIM_DATA" in os.environ else []
ROUNDED = {"flatten_then_relu", "global_average_16x16", "qdq_accumulator"}
"""Networks with float activations or sums, which are rounded after training."""


@pytest.mark.skipif(not FILES, reason="no folder field beside the data")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_right_answers_at_both_levels(path: Path) -> None:
    data = load_dataset(str(path.with_suffix(".npz")), "test")
    program = bcsim.compile(bcsim.load(path), data=str(path.with_suffix(".npz")))
    classes = classes_of_levels(program, execute(program, program_input(program, data)).scores)
    assert program.exact == (path.stem not in ROUNDED)
    assert np.mean(classes == right_classes(path, len(data))) >= (1 if program.exact else 0.95)
    bcsim.simulate(program, data, level="machine", images=2)


def right_classes(path: Path, images: int) -> NDArray[np.int64]:
    """Those of the greatest score; of one score alone whether it is positive."""
    stored = np.load(path.with_suffix(".npz"))
    if "scores" not in stored:
        return np.asarray(stored["y"])
    scores = stored["scores"].reshape(images, -1)
    return np.asarray(scores.argmax(axis=1) if scores.shape[1] > 1 else (scores[:, 0] > 0).astype(np.int64))
