"""A small ONNX network, compiled with no flag, held to a witness of the file at the levels that it runs at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

import bcsim
from bcsim.common.float_engine import onnxruntime
from bcsim.data import Dataset
from tests.compiler.build import save

__all__ = ["Array", "check", "pixels", "runtime", "signs"]

Array: TypeAlias = NDArray[Any]


def signs(rng: np.random.Generator, *shape: int) -> Array:
    """Weights of -1 and +1."""
    return rng.choice(np.float32([-1, 1]), shape)


def pixels(rng: np.random.Generator, count: int, shape: Sequence[int]) -> Array:
    """Images of 8 bits, uint8 (count, *shape)."""
    return rng.integers(0, 256, (count, *shape), dtype=np.uint8)


def runtime(built: ModelProto, x: Array) -> Array:
    """The file as it says, by onnxruntime without the optimisations that round what the file does not."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = onnxruntime.InferenceSession(
        built.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"x": x.astype(np.float32)})[0])


def check(
    built: ModelProto,
    folder: Path,
    x: Array,
    witness: Callable[[ModelProto, Array], Array] = runtime,
    *,
    input: str = "raw",
    exact: bool = True,
    calibrated: bool = False,
    machine: int = 2,
) -> bcsim.Result:
    """Run the network on pixels x and hold its scores to the witness'; the result.

    witness : scores (n, ...) of the model for float64 images that `input` makes of x.
    exact : whether the program must say that it is exact, scores within half a step; else one step.
    calibrated : whether ranges are taken from x, so that scores are not compared.
    machine : of how many images every cycle runs and is held to the program; 0 for none.
    """
    model = bcsim.load(save(built, folder))
    dataset = Dataset("built", x.reshape(len(x), -1), None, 8, 255)
    program = bcsim.compile(model, input=input, calibration=dataset if calibrated else None)
    reading = {"raw": x.astype(np.float64), "unit": x / 255}[input]
    scores = np.asarray(witness(built, reading), dtype=np.float64).reshape(len(x), -1)
    result = bcsim.simulate(program, dataset, reference=model)
    assert result.exact == exact
    if exact:
        assert result.agreement == 1
    step = float(program.layers[-1].target.scale)
    if not calibrated:
        np.testing.assert_allclose(
            result.scores_program, scores, rtol=1e-6, atol=step * (0.5 if exact else 1) + 1e-6
        )
    if machine:
        bcsim.simulate(program, dataset, level="machine", images=machine)
    return result
