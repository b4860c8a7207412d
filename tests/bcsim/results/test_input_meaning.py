"""What the numbers in --data mean: said, read as the network's own quantiser reads them, refused where none fits."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

import bcsim
from bcsim.compiler.lowering.own_grid import own_grid
from bcsim.data import Dataset
from bcsim.execution.raw_levels import program_input
from bcsim.report import render_report
from bcsim.results.input_meaning import InputMeaning
from tests.compiler.build import BREVITAS, Array, model, node, reference, save, tensors

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
COLOURS = "mean=0.4914,0.4822,0.4465,std=0.247,0.2435,0.2616"


def floats(x: Array, y: Array | None = None, name: str = "own.npz") -> Dataset:
    return Dataset(name, np.asarray(x, np.float64), y, 0, 1)


def levels(x: Array, y: Array | None = None) -> Dataset:
    return Dataset("own.npz", np.asarray(x, np.uint8), y, 8, 255)


def whole(message: str) -> str:
    return f"^{re.escape(message)}$"


@pytest.fixture(scope="module")
def normalised(tmp_path_factory: pytest.TempPathFactory) -> bcsim.Model:
    """The digits network as torch users have theirs: no metadata, and an input normalised by mean and std."""
    found = onnx.load(bcsim.load("digits").path)
    del found.metadata_props[:]
    first = found.graph.node[0]
    pixels = found.graph.input[0].name
    for each in found.graph.node:
        each.input[:] = ["centred" if name == pixels else name for name in each.input]
    assert first is found.graph.node[0]
    inner = [
        helper.make_node("Mul", [pixels, "s"], ["m"], "m"),
        helper.make_node("Add", ["m", "o"], ["centred"], "o"),
    ]
    found.graph.node.extend(inner)
    ordered = [*inner, *list(found.graph.node)[: -len(inner)]]
    del found.graph.node[:]
    found.graph.node.extend(ordered)
    found.graph.initializer.extend(tensors(s=np.float32(2 * 0.3081), o=np.float32(2 * 0.1307 - 1)))
    return bcsim.load(save(found, tmp_path_factory.mktemp("normalised")))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    found = bcsim.load_dataset("digits")
    return Dataset("d.npz", found.x.reshape(-1, 64) / 16.0, found.y, 0, 1)


def run(network: bcsim.Model, data: Dataset, **options: str) -> bcsim.Result:
    return bcsim.simulate(bcsim.compile(network, data=data, **options), data, reference=network)  # type: ignore[arg-type]


def test_normalised_floats_are_refused_with_the_input_that_fits(
    normalised: bcsim.Model, digits: Dataset
) -> None:
    data = floats((digits.x - 0.1307) / 0.3081, digits.y)
    message = (
        "Data own.npz has floats from -0.4242 to 2.821, and the input is read as 0..1 (assumed): "
        "--input mean=0.131,std=0.308 fits them"
    )
    with pytest.raises(bcsim.BcsimError, match=whole(message)):
        run(normalised, data)
    result = run(normalised, data, input="mean=0.131,std=0.308")
    assert result.accuracy_program == result.accuracy_float == 352 / 359
    assert result.input.text == "-0.425..2.82, given by --input mean=0.131,std=0.308"


def test_pixels_of_a_normalised_network_are_said_to_be_assumed(
    normalised: bcsim.Model, digits: Dataset
) -> None:
    data = levels(np.rint(digits.x * 255), digits.y)
    result = run(normalised, data)
    assert result.input == InputMeaning(0, 1, 256, "assumed", "0..1: assumed", result.notes[-1:])
    assert result.notes[-1] == (
        "Levels 0 to 255 are read as 0..1, which is assumed: a network trained on normalised images needs "
        "--input mean=...,std=..."
    )
    assert "Input read as 0..1: assumed" in render_report(result)
    given = run(normalised, data, input="mean=0.1307,std=0.3081")
    assert given.accuracy_program == given.accuracy_float == 352 / 359


def test_levels_of_another_width_mean_the_same(normalised: bcsim.Model, digits: Dataset) -> None:
    program = bcsim.compile(normalised, data=levels(digits.x * 240), input="mean=0.1307,std=0.3081")
    named = bcsim.simulate(program, "digits", machine="tiny", reference=normalised)
    assert named.accuracy_program == named.accuracy_float == 352 / 359


def test_bundled_networks_are_read_from_the_file() -> None:
    network = bcsim.load("digits")
    result = bcsim.simulate(bcsim.compile(network), "digits", machine="tiny", images=2)
    assert (result.input.source, result.input.text) == ("file", "-1..1, from the file")


def quantised(first: onnx.NodeProto, folder: Path, **parameters: Array) -> bcsim.Model:
    """x -> quantiser -> binary product -> scores."""
    weights = np.where(np.random.default_rng(3).random((8, 5)) < 0.5, -1.0, 1.0)
    return bcsim.load(
        save(model([first, node("MatMul", "q w", "y")], tensors(w=weights, **parameters), (8,)), folder)
    )


QUANTISERS = {
    "signed": ({"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}, 1 / 64, 8),
    "narrow": ({"signed": 1, "narrow": 1, "rounding_mode": "ROUND"}, 1 / 8, 4),
    "floor": ({"signed": 1, "narrow": 0, "rounding_mode": "FLOOR"}, 1 / 4, 3),
    "ceil": ({"signed": 0, "narrow": 0, "rounding_mode": "CEIL"}, 1 / 4, 3),
    "unsigned": ({"signed": 0, "narrow": 0, "rounding_mode": "ROUND"}, 1 / 256, 8),
}


@pytest.mark.parametrize("kind", QUANTISERS)
def test_floats_are_read_as_the_networks_own_quantiser_reads_them(kind: str, tmp_path: Path) -> None:
    """Halves, values on the grid, beside it and outside of it: every score is the reference evaluator's."""
    attributes, scale, bits = QUANTISERS[kind]
    first = node("Quant", "x s z b", "q", BREVITAS, **attributes)
    network = quantised(first, tmp_path, s=np.float32(scale), z=np.float32(0), b=np.float32(bits))
    span = scale * 2**bits
    steps = np.arange(-2 * 2**bits, 2 * 2**bits + 1) / 2 * scale
    x = np.concatenate([steps, np.random.default_rng(1).uniform(-1.5 * span, 1.5 * span, 200)])
    x = np.resize(x, (len(x) // 8, 8)).astype(np.float32)
    data = floats(x)
    result = bcsim.simulate(bcsim.compile(network, data=data), data)
    expected = reference(onnx.load(network.path), x)
    np.testing.assert_allclose(result.scores_program, expected, rtol=0, atol=scale * 1e-4)
    assert result.input.source == "network"
    assert result.input.text.startswith("the network's own Quant: ")
    assert any("clips" in note for note in result.notes)


@pytest.mark.parametrize("closed_end", [False, True])
def test_floats_meet_thresholds_and_signs_as_the_network_does(closed_end: bool, tmp_path: Path) -> None:
    x = np.array([[-1.0, -0.5, -0.0, 0.0, 0.25, 0.5, 0.75, 9.0]], np.float32)
    if closed_end:
        first = node("BipolarQuant", "x s", "q", BREVITAS)
        network = quantised(first, tmp_path, s=np.float32(0.5))
        expected_q = np.where(x < 0, -0.5, 0.5)
    else:
        first = node("MultiThreshold", "x t", "q", BREVITAS)
        network = quantised(first, tmp_path, t=np.array([[-0.5, 0.0, 0.5]]))
        expected_q = (x[..., None] >= np.array([-0.5, 0.0, 0.5])).sum(-1)
    assert network.graph is not None
    assert own_grid(network.graph) is not None
    data = floats(x)
    program = bcsim.compile(network, data=data)
    found = program.input.stream.decode(program_input(program, data))
    np.testing.assert_array_equal(found, expected_q)


def test_pixels_before_a_quantiser_of_another_range_are_told_so(tmp_path: Path) -> None:
    first = node("Quant", "x s z b", "q", BREVITAS, signed=1, narrow=0, rounding_mode="ROUND")
    network = quantised(first, tmp_path, s=np.float32(1 / 64), z=np.float32(0), b=np.float32(8))
    data = levels(np.arange(16).reshape(2, 8) * 17)
    result = bcsim.simulate(bcsim.compile(network, data=data), data)
    assert result.input.text == "0..1: assumed"
    assert result.notes[-1].endswith("; its own Quant takes -2..1.98")
    stored = bcsim.compile(network)  # for floats, since nothing else is known; pixels mean the same to it
    np.testing.assert_array_equal(bcsim.simulate(stored, data).scores_program, result.scores_program)


def colour_network(folder: Path) -> bcsim.Model:
    weights = np.where(np.random.default_rng(5).random((4, 3, 2, 2)) < 0.5, -1.0, 1.0)
    nodes = (
        node("Conv", "x w", "c"),
        node("Sign", "c", "s"),
        node("Flatten", "s", "f"),
        node("MatMul", "f v", "y"),
    )
    v = np.where(np.random.default_rng(6).random((36, 5)) < 0.5, -1.0, 1.0)
    return bcsim.load(save(model(nodes, tensors(w=weights, v=v), (3, 4, 4)), folder))


def test_every_channel_has_its_own_mean_and_std(tmp_path: Path) -> None:
    network = colour_network(tmp_path)
    pixels = np.random.default_rng(7).integers(0, 256, (40, 3, 4, 4))
    x = (pixels / 255 - np.array(MEAN)[:, None, None]) / np.array(STD)[:, None, None]
    of_levels = run(network, levels(pixels), input=COLOURS)
    of_floats = run(network, floats(x), input=COLOURS)
    np.testing.assert_array_equal(of_levels.scores_program, of_floats.scores_program)
    assert of_levels.scores_float is not None
    np.testing.assert_array_equal(of_levels.scores_float, of_floats.scores_float)  # type: ignore[arg-type]
    expected = reference(onnx.load(network.path), x)
    np.testing.assert_array_equal(of_levels.scores_float, expected)
    assert np.mean(of_levels.scores_program == expected) > 0.9
    assert not of_levels.exact
    assert "The input's channels are rounded to one scale of 256 values, 0.0162 apart" in of_levels.notes


def test_colour_floats_are_refused_with_a_mean_for_each_channel(tmp_path: Path) -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (400, 3, 4, 4))
    x = (pixels / 255 - np.array(MEAN)[:, None, None]) / np.array(STD)[:, None, None]
    with pytest.raises(
        bcsim.BcsimError, match=r"--input mean=0\.4914,0\.4822,0\.4465,std=0\.247,0\.2435,0\.2616 fits them$"
    ):
        run(colour_network(tmp_path), floats(x))


def test_floats_of_pixels_are_refused_with_the_mean_and_std_that_made_them(
    normalised: bcsim.Model,
) -> None:
    """In float32, as torchvision's Normalize leaves them, all 256 levels or a few."""
    for pixels in (np.arange(256), np.array([0, 3, 77, 255])):
        x = (np.resize(pixels, (5, 64)) / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081)
        with pytest.raises(bcsim.BcsimError, match=r"--input mean=0\.1307,std=0\.3081 fits them$"):
            run(normalised, floats(x))


@pytest.mark.parametrize(
    ("x", "fits"),
    [
        ([0, 128, 255], "raw"),
        ([-1, 0.3, 1], "centred"),
        ([5, 6.5, 8], "0.0118,5"),
        ([2.5, 2.5, 2.5], "3.92e-09,2.5"),
    ],
)
def test_what_fits_other_floats(x: list[float], fits: str, tmp_path: Path) -> None:
    weights = np.where(np.random.default_rng(3).random((3, 5)) < 0.5, -1.0, 1.0)
    network = bcsim.load(save(model([node("MatMul", "x w", "y")], tensors(w=weights), (3,)), tmp_path))
    with pytest.raises(bcsim.BcsimError, match=f"--input {re.escape(fits)} fits them$"):
        run(network, floats([x]))
    assert run(network, floats([x]), input=fits).agreement == 1


def test_means_for_channels_that_the_network_has_not(normalised: bcsim.Model, digits: Dataset) -> None:
    with pytest.raises(bcsim.BcsimError, match=r"give one value for all$"):
        run(normalised, digits, input=COLOURS)


@pytest.mark.parametrize(
    ("outputs", "y", "said"),
    [
        (
            1,
            [-1, 1, 1],
            "1 of 3 labels are no classes of the network, which are 0 and 1, by the sign of its one score",
        ),
        (5, [1, 5, 10], "2 of 3 labels are no classes of the network, which are 0 to 4"),
        (5, [0, 4, 3], None),
        (1, [0, 1, 1], None),
    ],
)
def test_labels_that_are_no_classes_are_told(
    outputs: int, y: list[int], said: str | None, tmp_path: Path
) -> None:
    weights = np.where(np.random.default_rng(3).random((4, outputs)) < 0.5, -1.0, 1.0)
    network = bcsim.load(save(model([node("MatMul", "x w", "y")], tensors(w=weights)), tmp_path))
    notes = run(network, levels(np.arange(12).reshape(3, 4), np.array(y))).notes
    assert [note for note in notes if "labels" in note] == ([f"{said}: they count as wrong"] if said else [])
