"""Several networks as one: held to their own results."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bcsim import api
from bcsim.cli import app
from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.fitted_machine import map_fitted
from bcsim.data import load_dataset
from bcsim.machine.parameters import TINY
from bcsim.models.export import BakedLayer, to_onnx, write
from bcsim.models.recipes import Recipe
from bcsim.results.ensemble import combine, member_paths
from bcsim.results.result import Result, to_json

IMAGES = 40
RECIPE = Recipe("digits", width=20)


def network(path: Path, seed: int, recipe: Recipe = RECIPE, gain: float = 1.0) -> Path:
    """A network with random weights, statistics fit for them but for a gain of all activations."""
    rng, layers = np.random.default_rng(seed), []
    for stage in recipe.topology.stages:
        weight = rng.choice([-1, 1], stage.weight_shape).astype(np.int8)
        gamma, beta, mean = rng.normal(size=(3, stage.outputs)).astype(np.float32)
        gamma *= gain
        variance = np.full(stage.outputs, stage.inputs, np.float32)
        layers.append(BakedLayer(weight, gamma, beta, mean, variance, 1e-4))
    write(path, to_onnx(recipe, layers))
    return path


def result(path: Path, machine: str = "tiny") -> Result:
    model = api.load(path)
    return api.simulate(api.compile(model), "digits", machine=machine, images=IMAGES, reference=model)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    folder = tmp_path_factory.mktemp("ensemble")
    return [result(network(folder / f"{seed}.onnx", seed)) for seed in (1, 2, 3)]


def test_scores_are_means(members: list[Result]) -> None:
    labels = load_dataset("digits").y
    assert labels is not None
    found = combine("three", members, labels)
    mean = np.mean([member.scores_program for member in members], axis=0)
    np.testing.assert_array_equal(found.scores_program, mean)
    np.testing.assert_array_equal(found.classes_program, mean.argmax(axis=1))
    assert found.accuracy_program == np.mean(mean.argmax(axis=1) == labels[:IMAGES])
    assert found.agreement == np.mean(found.classes_float == found.classes_program)
    assert any(np.any(found.classes_program != member.classes_program) for member in members)


def test_costs_are_sums(members: list[Result]) -> None:
    found = combine("three", members, None)
    assert (found.model, found.members, found.accuracy_program) == ("three", 3, None)
    assert found.cycles.per_image == sum(member.cycles.per_image for member in members)
    assert found.cycles.busy + sum(found.cycles.stalls.values()) == found.cycles.slots
    assert found.cycles.run_images == members[0].cycles.run_images
    assert found.operations["accumulate"] == 3 * RECIPE.topology.weights
    assert found.energy.total_pj == pytest.approx(sum(member.energy.total_pj for member in members))
    assert found.energy.total_pj == pytest.approx(sum(found.energy.by_part.values()))
    assert [layer.name for layer in found.layers[::3]] == ["1/matmul1", "2/matmul1", "3/matmul1"]


def test_json_keeps_its_keys(members: list[Result]) -> None:
    single, several = to_json(members[0]), to_json(combine("three", members, None))
    assert list(single) == list(several)
    assert (single["members"], several["members"]) == (1, 3)
    assert (
        sum(layer["operations"]["accumulate"] for layer in several["layers"])
        == (several["operations"]["accumulate"])
    )


def test_one_network_is_itself(members: list[Result]) -> None:
    assert combine("one", members[:1], None) is members[0]


def test_notes_of_single_members_name_them(members: list[Result]) -> None:
    notes = combine("three", members, None).notes
    expected = "An ensemble of 3 networks: scores are averaged, cycles, counts and energy added."
    assert notes[0] == expected
    assert notes[1].startswith("The network does not quantise these tensors, so they are rounded: ")
    assert notes[2] == "UCI hand-written digits, CC BY 4.0"
    assert all(note.startswith(("1: ", "2: ", "3: ")) for note in notes[3:])


def test_members_that_would_be_fitted_unlike_machines_run_on_one(tmp_path: Path) -> None:
    for seed, gain in ((1, 1.0), (2, 1e-4)):
        network(tmp_path / f"{seed}.onnx", seed, gain=gain)
    programs = [api.compile(api.load(tmp_path / f"{seed}.onnx")) for seed in (1, 2)]
    assert len({replace(map_fitted(program, TINY).machine, name="") for program in programs}) == 2
    arguments = ["run", str(tmp_path), "--images", "2", "--no-float", "--json", "-"]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)["machine"]["name"] == "tiny"


def test_members_need_one_machine(members: list[Result], tmp_path: Path) -> None:
    other = result(network(tmp_path / "other.onnx", 4), machine="small")
    with pytest.raises(BcsimError) as caught:
        combine("x", [members[0], other], None)
    assert str(caught.value) == (
        "Networks of an ensemble must run on one machine: 1 and other were given different ones; name one that holds "
        "each (--machine)"
    )


def test_folders_list_their_networks(tmp_path: Path) -> None:
    for name in ("b.onnx", "a.onnx", "notes.txt"):
        (tmp_path / name).touch()
    assert member_paths(str(tmp_path)) == [str(tmp_path / "a.onnx"), str(tmp_path / "b.onnx")]
    assert member_paths("digits") == ["digits"]


def test_folder_without_networks(tmp_path: Path) -> None:
    with pytest.raises(BcsimError) as caught:
        member_paths(str(tmp_path))
    assert str(caught.value) == f"Folder {tmp_path} has no .onnx files; an ensemble is a folder of them"


def test_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "nets"
    folder.mkdir()
    for seed in (1, 2):
        network(folder / f"{seed}.onnx", seed)
    arguments = ["run", str(folder), "--images", "20", "--json", str(tmp_path / "a.json"), "--report",
                 str(tmp_path / "r.html"), "--outputs", str(tmp_path / "a.npz")]  # fmt: skip
    found = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert (found.exit_code, found.stderr) == (0, "")
    assert "networks, scores averaged and costs added" in found.stdout
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["model"] == {"name": "nets", "path": str(folder)}
    assert (document["members"], document["images"], len(document["layers"])) == (2, 20, 6)


def test_preprocessed_networks_refuse_plain_images(tmp_path: Path) -> None:
    recipe = Recipe("digits", width=20, preprocess="gcn-zca")
    path = network(tmp_path / "zca.onnx", 5, recipe)
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "x.npz", x=rng.integers(0, 256, (30, 64)).astype(np.uint8), y=np.zeros(30, int))
    program = api.compile(api.load(path), calibration=str(tmp_path / "x.npz"))
    message = (
        "The network takes images preprocessed by gcn-zca, and data set digits holds plain pixels: give an .npz file "
        "of preprocessed images (bcsim train --preprocessed writes them)"
    )
    with pytest.raises(BcsimError) as caught:
        api.simulate(program, "digits")
    assert str(caught.value) == message
    with pytest.raises(BcsimError) as caught:
        api.compile(api.load(path), calibration="digits")
    assert str(caught.value) == message
    found = api.simulate(program, str(tmp_path / "x.npz"), reference=api.load(path))
    assert found.agreement is not None
    assert found.agreement >= 0.9
    with pytest.raises(
        BcsimError, match=r"give an \.npz file of images preprocessed by gcn-zca \(--calibrate FILE\)$"
    ):
        api.compile(api.load(path))
