"""load, compile, simulate: the whole way, on the bundled network."""

import re
from dataclasses import replace
from math import fsum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bcsim
from bcsim.compiler.program.layers import Program
from bcsim.data import Dataset
from bcsim.data.dataset import Split
from bcsim.execution.execute import execute
from bcsim.machine.parameters import MEDIUM, TINY
from bcsim.results.result import Result
from tests.compiler.build import model, node, save, tensors


@pytest.fixture(scope="module")
def digits() -> bcsim.Model:
    return bcsim.load("digits")


@pytest.fixture(scope="module")
def program(digits: bcsim.Model) -> Program:
    return bcsim.compile(digits)


@pytest.fixture(scope="module")
def result(digits: bcsim.Model, program: Program) -> Result:
    return bcsim.simulate(program, "digits", reference=digits)


def whole(message: str) -> str:
    return f"^{re.escape(message)}$"


def test_every_public_name_is_there() -> None:
    for name in bcsim.__all__:
        assert getattr(bcsim, name).__doc__ or name == "PRESETS"
    with pytest.raises(AttributeError, match=whole("module 'bcsim' has no attribute 'missing'")):
        bcsim.missing  # noqa: B018


@pytest.mark.parametrize(("work", "images"), [(0, 20), (10**11, 1000)])
def test_large_networks_are_calibrated_on_fewer_images(
    digits: bcsim.Model, monkeypatch: pytest.MonkeyPatch, work: int, images: int
) -> None:
    asked: list[int] = []

    def load(name: str, split: Split, limit: int) -> Dataset:
        asked.append(limit)
        return bcsim.load_dataset(name, split, limit)

    monkeypatch.setattr("bcsim.results.calibration.WORK", work)
    monkeypatch.setattr("bcsim.results.calibration.load_dataset", load)
    bcsim.compile(digits)
    assert asked == [images]


def test_accuracy_of_the_bundled_network(result: Result) -> None:
    """models/digits.md: 7 wrong of 359, float; 8 bits may cost two images at most."""
    assert result.accuracy_float == 352 / 359
    assert result.accuracy_program is not None
    assert result.accuracy_program >= 350 / 359
    assert result.agreement is not None
    assert result.agreement >= 357 / 359


def test_arrays_are_those_of_the_program(program: Program, result: Result) -> None:
    q = program.input.encode_levels(bcsim.load_dataset("digits").x.reshape(-1, 64).astype(np.int64))
    scores = execute(program, q).scores
    arrays = result.arrays()
    assert set(arrays) == {"program", "classes_program", "float", "classes_float"}
    np.testing.assert_array_equal(arrays["program"], program.layers[-1].target.decode(scores))
    np.testing.assert_array_equal(arrays["classes_program"], scores.argmax(axis=1))
    np.testing.assert_array_equal(arrays["classes_float"], arrays["float"].argmax(axis=1))
    assert np.abs(arrays["program"] - arrays["float"]).max() < 1


@pytest.mark.parametrize("machine", ["tiny", "small", "medium", "large", "medium,digit=2,lanes=64"])
def test_slots_add_up_on_every_machine(program: Program, machine: str) -> None:
    found = bcsim.simulate(program, "digits", machine=machine, images=6)
    cycles = found.cycles
    assert cycles.busy + sum(cycles.stalls.values()) == cycles.slots
    assert cycles.slots == found.machine.lanes * found.machine.pes * cycles.per_image
    assert sum(layer.cycles for layer in found.layers) == cycles.per_image
    for cause in cycles.stalls:
        assert sum(layer.slots[cause] for layer in found.layers) == cycles.stalls[cause]
    assert sum(layer.slots["busy"] for layer in found.layers) == cycles.busy


def test_energy_adds_up(result: Result) -> None:
    energy = result.energy
    assert energy.total_pj == fsum(energy.by_part.values())
    assert energy.total_pj == pytest.approx(
        fsum(layer.energy_pj for layer in result.layers) + energy.by_part["io"], rel=1e-12
    )
    assert energy.range_pj[energy.table] == energy.total_pj
    assert energy.total_pj < energy.int8_pj < energy.float32_pj


def test_nothing_multiplies(result: Result) -> None:
    assert result.operations["multiply"] == 0
    assert result.operations["accumulate"] == 64 * 128 + 128 * 128 + 128 * 10
    assert result.energy.by_part["multipliers"] == 0
    assert result.energy.float32_by_part["multipliers"] > 0


def test_machine_level_runs_every_image(digits: bcsim.Model, program: Program) -> None:
    found = bcsim.simulate(program, "digits", level="machine", images=20, record=2)
    assert (found.level, found.images, found.cycles.run_images) == ("machine", 20, 20)
    np.testing.assert_array_equal(found.machine_run.classes, found.classes_program)
    assert len(found.machine_run.writes.cycle) > 0


def test_machine_level_takes_few_images_by_default(program: Program) -> None:
    assert bcsim.simulate(program, "digits", level="machine").images == 16


def test_difference_between_levels_is_never_passed_over(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bcsim.results import simulation

    genuine = simulation.run_machine

    def wrong(*args: Any, **kwargs: Any) -> Any:
        run = genuine(*args, **kwargs)
        return replace(run, scores=run.scores ^ (np.arange(len(run.scores)) == 2)[:, None])

    monkeypatch.setattr(simulation, "run_machine", wrong)
    with pytest.raises(AssertionError, match=whole("machine and program differ in 1 of 5 images")):
        bcsim.simulate(program, "digits", images=5)


def test_bits_narrow_the_hidden_layers(digits: bcsim.Model) -> None:
    narrow = bcsim.compile(digits, bits=2)
    assert [layer.target.bits for layer in narrow.layers] == [2, 2, 16]
    each = bcsim.compile(digits, bits=[4, 3, 2])
    assert [layer.source.bits for layer in each.layers] == [4, 3, 2]


def test_less_noise_with_more_bits(digits: bcsim.Model) -> None:
    noise = []
    for bits in (2, 4, 8):
        found = bcsim.simulate(bcsim.compile(digits, bits=bits), "digits", images=50, reference=digits)
        noise.append(found.layers[0].sqnr_db or 0)
    assert noise[0] < noise[1] - 6 < noise[2] - 12


def test_calibration_on_the_users_own_images(digits: bcsim.Model, tmp_path: Path) -> None:
    x = bcsim.load_dataset("digits", "train", 100).x.reshape(100, 64)
    np.savez(tmp_path / "levels.npz", x=x)
    np.savez(tmp_path / "floats.npz", x=x / 8 - 1)
    by_levels = bcsim.compile(digits, calibration=str(tmp_path / "levels.npz"))
    by_floats = bcsim.compile(digits, calibration=str(tmp_path / "floats.npz"))
    targets = [[layer.target for layer in found.layers] for found in (by_levels, by_floats)]
    assert targets[0] == targets[1]


def test_float_images_give_what_their_levels_give(
    digits: bcsim.Model, program: Program, tmp_path: Path
) -> None:
    data = bcsim.load_dataset("digits", limit=40)
    np.savez(tmp_path / "x.npz", x=data.x.reshape(40, 64) / 8 - 1, y=data.y)
    of_levels = bcsim.simulate(program, data, reference=digits)
    of_floats = bcsim.simulate(program, str(tmp_path / "x.npz"), reference=digits)
    np.testing.assert_array_equal(of_floats.scores_program, of_levels.scores_program)
    np.testing.assert_array_equal(of_floats.scores_float, of_levels.scores_float)  # type: ignore[arg-type]


def test_without_labels_or_reference_nothing_is_claimed(program: Program, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=bcsim.load_dataset("digits", limit=3).x)
    found = bcsim.simulate(program, str(tmp_path / "x.npz"))
    assert (found.accuracy_float, found.accuracy_program, found.agreement, found.engine) == (None,) * 4
    assert [layer.sqnr_db for layer in found.layers] == [None] * 3


def quiet_network(tmp_path: Path, *, last: int = 40) -> Path:
    """A float network that names no data set: 4 inputs, 5 hidden values, `last` classes."""
    rng = np.random.default_rng(0)
    arrays = {"a": np.sign(rng.normal(size=(4, 5))), "b": np.sign(rng.normal(size=(5, last)))}
    nodes = (node("MatMul", "x a", "h"), node("Relu", "h", "r"), node("MatMul", "r b", "y"))
    return save(model(nodes, tensors(**arrays)), tmp_path)


def test_calibration_that_is_missing(tmp_path: Path) -> None:
    found = bcsim.load(quiet_network(tmp_path))
    message = (
        "Tensor 'r' is not quantised by the network: its range needs calibration images (--calibrate); "
        "give calibration images (--calibrate NAME or FILE), since the file names no data set"
    )
    with pytest.raises(bcsim.BcsimError, match=whole(message)):
        bcsim.compile(found)


def test_calibration_by_the_data_that_is_run(tmp_path: Path) -> None:
    """A data set's own training part; of a file without one its images, which a note says."""
    rng = np.random.default_rng(0)
    arrays = {"a": np.sign(rng.normal(size=(64, 5))), "b": np.sign(rng.normal(size=(5, 10)))}
    nodes = (node("MatMul", "x a", "h"), node("Relu", "h", "r"), node("MatMul", "r b", "y"))
    found = bcsim.load(save(model(nodes, tensors(**arrays), shape=(64,)), tmp_path))
    training = bcsim.load_dataset("digits", "train", 1000)
    by_name, by_images = bcsim.compile(found, data="digits"), bcsim.compile(found, calibration=training)
    assert [layer.target for layer in by_name.layers] == [layer.target for layer in by_images.layers]
    assert not any("calibrated" in note for note in by_name.notes)
    np.savez(tmp_path / "x.npz", x=training.x)
    path = str(tmp_path / "x.npz")
    by_file = bcsim.compile(found, data=path)
    assert [layer.target.bits for layer in by_file.layers] == [8, 16]
    assert (
        f"Ranges are calibrated on the images of {path} itself: no training images are known" in by_file.notes
    )
    other = bcsim.compile(found, data=path, calibration="digits")
    assert not any("calibrated" in note for note in other.notes)


def test_an_exact_network_needs_no_calibration_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it load any: a large data set's training part takes a while to unpack."""
    arrays = {"a": np.ones((64, 5)), "b": np.ones((5, 10))}
    nodes = (node("MatMul", "x a", "h"), node("Sign", "h", "r"), node("MatMul", "r b", "y"))
    found = bcsim.load(save(model(nodes, tensors(**arrays), shape=(64,)), tmp_path))
    monkeypatch.setattr("bcsim.results.calibration.load_dataset", pytest.fail)
    program = bcsim.compile(found, data="digits")
    assert program.exact
    assert program.metadata["bcsim.dataset"] == "digits"


def test_program_remembers_the_named_data_set_it_was_calibrated_on(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {"a": np.sign(rng.normal(size=(64, 5))), "b": np.sign(rng.normal(size=(5, 10)))}
    nodes = (node("MatMul", "x a", "h"), node("Relu", "h", "r"), node("MatMul", "r b", "y"))
    found = bcsim.load(save(model(nodes, tensors(**arrays), shape=(64,)), tmp_path))
    assert found.dataset is None
    assert bcsim.compile(found, calibration="digits").metadata["bcsim.dataset"] == "digits"


def test_default_machine_is_fitted_and_says_so(tmp_path: Path) -> None:
    found = bcsim.load(quiet_network(tmp_path, last=MEDIUM.outputs + 1))
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(1).integers(0, 256, (9, 4)))
    data = str(tmp_path / "x.npz")
    result = bcsim.simulate(bcsim.compile(found, calibration=data), data)
    assert result.machine.outputs == 65
    assert (
        "The machine has the array of medium, all else as this network needs it; --machine medium is the general "
        "one, which lacks outputs 64 to 65."
    ) in result.notes


def test_machine_that_the_user_chose_does_not_grow(program: Program) -> None:
    message = "Machine 'tiny' is too small for this network: it needs weight_words of at least 416, not 415"
    with pytest.raises(bcsim.BcsimError, match=whole(message)):
        bcsim.simulate(program, "digits", machine=replace(TINY, weight_words=415))


def test_compiled_program_is_not_compiled_again(program: Program) -> None:
    found = bcsim.Model("p", Path("p.onnx"), program=program)
    message = "File p.onnx is a compiled program already; only float networks are compiled"
    with pytest.raises(bcsim.BcsimError, match=whole(message)):
        bcsim.compile(found)


def test_unknown_level(program: Program) -> None:
    with pytest.raises(bcsim.BcsimError, match=whole("Level must be program or machine, not 'rtl'")):
        bcsim.simulate(program, "digits", level="rtl")  # type: ignore[arg-type]
