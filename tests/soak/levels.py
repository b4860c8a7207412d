"""A drawn network through every level: what the file says, the program, the machine."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

import bcsim
from bcsim.common.errors import BcsimError
from bcsim.common.metadata import SCORE_ERROR_KEY
from bcsim.compiler.program.layers import Program
from bcsim.compiler.program.onnx_format import load_program, save_program
from bcsim.data import Dataset
from bcsim.execution.execute import Execution, execute
from bcsim.execution.raw_levels import program_input
from bcsim.machine.parameters import MEDIUM
from bcsim.results.cost_report import map_enlarged
from bcsim.results.fidelity import channels_first
from bcsim.simulator.simulator import run_machine
from tests.soak.builder import CHANNELS_LAST
from tests.soak.evaluator import dequantize_linear, evaluate
from tests.soak.networks import Case

__all__ = ["LONGEST", "check", "compiled", "refused"]

Array: TypeAlias = NDArray[Any]

LONGEST = 360
"""Characters of a refusal."""
SLACK = 2.0**-40
"""Of float64's own rounding, in parts of an error."""
MACHINE_IMAGES = 1


def check(case: Case, folder: Path, backend: str = "portable") -> str:
    """Hold a network to what its file says, at every level; what became of it, in a word.

    Raises AssertionError for a difference, and whatever bcsim raises but BcsimError.
    """
    try:
        model, program, q = compiled(case, folder)
    except BcsimError as error:
        return refused(error)
    assert model.graph is not None
    found = execute(program, q, keep=True, backend=backend)
    values = _as_named(case.model, evaluate(case.model, case.x))
    _hold_layers(program, found, values)
    if program.exact:
        _hold_scores(program, found, values[model.graph.output], values[case.model.graph.output[0].name])
    _hold_stored(program, found, q, folder)
    return _hold_machine(program, found, q) or ("exact" if program.exact else "rounded")


def _as_named(model: ModelProto, values: dict[str, Array]) -> dict[str, Array]:
    """The tensors as the compiler has them: channels first, and what quantised integers stand for."""
    for node in model.graph.node:
        name = node.output[0]
        if node.domain == CHANNELS_LAST or node.op_type == "MaxPoolNHWC":
            values[name] = np.moveaxis(values[name], -1, 1)
        if node.op_type == "QuantizeLinear":
            grid = [values[grid] for grid in node.input[1:]]
            values[f"{name}/values"] = dequantize_linear(values[name], *grid)
    return values


def compiled(case: Case, folder: Path) -> tuple[bcsim.Model, Program, Array]:
    """The network read, its program and the program's input of every image, integers (n, inputs).

    Raises BcsimError where it is refused.
    """
    path = folder / "drawn.onnx"
    path.write_bytes(case.model.SerializeToString())
    dataset = Dataset("drawn", case.levels, None, 8, 255)
    model = bcsim.load(path, weight_bits=case.weight_bits)
    calibration = None if case.quantised else dataset
    program = bcsim.compile(model, input=case.reading, data=dataset, calibration=calibration)
    return model, program, program_input(program, dataset)


def refused(error: BcsimError) -> str:
    """Hold a refusal to its form: one short sentence of characters to see."""
    text = str(error)
    assert text, "an empty refusal"
    assert text.isprintable(), text
    assert len(text) <= LONGEST, text
    return "refused"


def _hold_layers(program: Program, found: Execution, values: dict[str, Array]) -> None:
    """Every hidden layer whose tensor the file names, up to the first that is rounded."""
    exact = takewhile(lambda layer: layer.exact, program.layers[:-1])
    for layer, levels in zip(exact, found.hidden, strict=False):
        if layer.float_output not in values:
            continue
        wanted = values[layer.float_output].reshape(len(levels), -1)
        decoded = layer.target.decode(channels_first(levels))
        assert decoded.shape == wanted.shape, layer.float_output
        assert (decoded == wanted).all(), f"layer {layer.name!r} differs from tensor {layer.float_output!r}"


def _hold_scores(program: Program, found: Execution, scores: Array, output: Array) -> None:
    """Within what the program says of them; with no rounding at all the classes are the file's own."""
    target = program.layers[-1].target
    scores = scores.reshape(len(found.scores), -1)
    decoded, most = target.decode(found.scores), float(program.metadata[SCORE_ERROR_KEY]) * (1 + SLACK)
    assert decoded.shape == scores.shape
    off = float(np.abs(decoded - scores).max())
    assert off <= most, f"scores are {off:g} off, and the program says {most:g}"
    if scores.shape[1] == 1:
        return
    chosen = np.take_along_axis(scores, found.classes[:, None], 1)[:, 0]
    assert (chosen >= scores.max(axis=1) - 2 * most).all(), "the class is not of a greatest score"
    if off == 0:
        assert (found.classes == scores.argmax(axis=1)).all(), "the class is not the first greatest score's"
        if output.size == len(found.classes) and output.dtype.kind == "i":
            assert (found.classes == output.reshape(-1)).all(), "the class is not the file's"


def _hold_stored(program: Program, found: Execution, q: Array, folder: Path) -> None:
    """Stored and read again it is the same program."""
    path = folder / "program.onnx"
    save_program(program, path)
    again = execute(load_program(path), q, backend="portable")
    assert (again.scores == found.scores).all(), "the stored program gives other scores"


def _hold_machine(program: Program, found: Execution, q: Array) -> str:
    """Cycle by cycle; "unmapped" where no machine takes the program."""
    try:
        mapping = map_enlarged(program, MEDIUM)
    except BcsimError as error:
        refused(error)
        return "unmapped"
    run = run_machine(mapping, q[:MACHINE_IMAGES].astype(np.uint8))
    assert (run.scores == found.scores[:MACHINE_IMAGES]).all(), "machine and program differ"
    return ""
