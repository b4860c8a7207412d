"""The comparison of hardware and simulator: that it passes, and that it notices."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import map_program
from bcsim.machine.parameters import Machine
from bcsim.rtl.bench.simulator import SimulatorError, check_design
from bcsim.rtl.generate.design import design_digest
from bcsim.rtl.generate.project import Stimulus, write_project
from bcsim.rtl.generate.verify import compare, verify
from bcsim.simulator.pauses import Pauses, random_cycles, random_pauses
from bcsim.simulator.simulator import MachineRun
from tests.programs import random_images, random_program
from tests.streaming import streamed_network, weight_words

pytestmark = pytest.mark.rtl

MACHINE = Machine(
    lanes=4, pes=4, digit=4, requantisers=2, input_bytes=2, activation_words=128, shift_planes=True
)


@pytest.fixture(scope="module")
def stimulus() -> tuple[Stimulus, object]:
    generator = np.random.default_rng(4)
    mapping = map_program(random_program(generator, largest=12), MACHINE)
    q = random_images(generator, mapping.program, 3)
    return Stimulus("random values", q, random_pauses(generator, mapping, len(q))), mapping


@pytest.fixture(scope="module")
def project(
    stimulus: tuple[Stimulus, object], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, MachineRun]:
    """A project's folder and what its simulator expects."""
    folder = tmp_path_factory.mktemp("project")
    return folder, write_project(folder, stimulus[1], stimulus[0])


def test_hardware_equals_the_simulator(project: tuple[Path, MachineRun]) -> None:
    folder, expected = project
    result = compare(folder, expected, simulator="verilator")
    assert result.equal, result.difference
    assert result.hardware_cycles == result.simulator_cycles == expected.cycles
    assert result.writes == len(expected.writes.cycle) > 0
    assert result.outputs == 3 * (expected.mapping.program.classes + 1)


def test_files_of_two_designs_are_never_mixed(project: tuple[Path, MachineRun], tmp_path: Path) -> None:
    """Memory images or Verilog of another program are named before anything is built; vectors, by the bench."""
    folder, expected = project
    design = json.loads((folder / "machine.json").read_text())["design"]
    check_design(folder, design)
    other = map_program(random_program(np.random.default_rng(9), largest=12), MACHINE)
    assert design_digest(other) != design == design_digest(expected.mapping)
    for name in ("accelerator.v", "weight_memory_words.mem"):
        mixed = tmp_path / name
        shutil.copytree(folder, mixed, ignore=shutil.ignore_patterns("build"))
        rest = (mixed / name).read_text().partition("\n")[2]
        (mixed / name).write_text(f"// design {design_digest(other)}\n{rest}")
        with pytest.raises(
            SimulatorError, match=f"^{name} begins with .*, and the bench is of design {design}$"
        ):
            check_design(mixed, design)


@pytest.mark.parametrize("field", [0, 1], ids=["machine", "program"])
def test_vectors_of_another_design_are_refused(
    project: tuple[Path, MachineRun], tmp_path: Path, field: int
) -> None:
    folder, expected = project
    mixed = tmp_path / "mixed"
    shutil.copytree(folder, mixed)
    with np.load(mixed / "vectors.npz") as file:
        vectors = dict(file)
    vectors["identity"][field] ^= 1
    np.savez(mixed / "vectors.npz", **vectors)
    (mixed / "result.json").unlink(missing_ok=True)
    with pytest.raises(BcsimError, match=r"^The simulation ended without a result"):
        compare(mixed, expected, simulator="verilator")
    assert "the vectors are of another machine or program" in (mixed / "simulation.log").read_text()


@pytest.mark.parametrize("throttled", [False, True])
def test_streamed_weights_come_in_the_simulators_cycles(tmp_path: Path, throttled: bool) -> None:
    """By default as the machine's parameters describe the memory; or with pauses of the stimulus."""
    streamed = streamed_network(711, spatial=True)
    machine = replace(streamed.machine, weight_stream_interval=3, weight_stream_latency=25)
    mapping = map_program(streamed.program, machine)
    assert mapping.slots
    generator = np.random.default_rng(8)
    gaps = random_cycles(generator, weight_words(mapping, 2)).tolist() if throttled else None
    q = random_images(generator, mapping.program, 2)
    stimulus = Stimulus("random values", q, Pauses(weight_gaps=gaps))
    expected = write_project(tmp_path, mapping, stimulus)
    described = json.loads((tmp_path / "machine.json").read_text())
    assert described["weight_words_per_image"] == weight_words(mapping, 1)
    assert expected.lane_cycles["weight_load"] > 0
    result = compare(tmp_path, expected, simulator="verilator")
    assert result.equal, result.difference


def test_wrong_weights_are_noticed(project: tuple[Path, MachineRun]) -> None:
    folder, expected = project
    image = folder / "weight_memory_words.mem"
    right = image.read_text()
    try:
        design, address, *words = right.splitlines()
        flipped = [f"{int(word, 16) ^ 0xFFFF:04x}" for word in words]
        image.write_text("\n".join([design, address, *flipped]))
        result = compare(folder, expected, simulator="verilator")
    finally:
        image.write_text(right)
    assert not result.equal
    assert result.difference["kind"] in ("write", "output")
    assert result.difference["expected"] != result.difference["got"]


def test_a_write_one_cycle_late_is_noticed(project: tuple[Path, MachineRun]) -> None:
    folder, expected = project
    path = folder / "vectors.npz"
    right = path.read_bytes()
    try:
        with np.load(path) as file:
            vectors = dict(file)
        vectors["write_cycle"][5] -= 1
        np.savez(path, **vectors)
        result = compare(folder, expected, simulator="verilator")
    finally:
        path.write_bytes(right)
    assert result.difference["index"] == 5
    wanted, got = result.difference["expected"], result.difference["got"]
    assert (wanted[0] + 1, *wanted[1:]) == tuple(got)


def test_a_simulation_without_a_result_is_told(project: tuple[Path, MachineRun]) -> None:
    folder, expected = project
    vectors = folder / "vectors.npz"
    vectors.rename(folder / "away")
    (folder / "result.json").unlink(missing_ok=True)
    try:
        with pytest.raises(BcsimError, match=r"^The simulation ended without a result: "):
            compare(folder, expected, simulator="verilator")
    finally:
        (folder / "away").rename(vectors)


def test_icarus_agrees(stimulus: tuple[Stimulus, object]) -> None:
    if shutil.which("iverilog") is None:
        with pytest.raises(BcsimError, match=r"^The simulator icarus is not installed "):
            verify(stimulus[1], stimulus[0], simulator="icarus")
        return
    assert verify(stimulus[1], stimulus[0], simulator="icarus").equal


def test_waveforms_are_recorded(stimulus: tuple[Stimulus, object], tmp_path: Path) -> None:
    waves = tmp_path / "out.fst"
    assert verify(stimulus[1], stimulus[0], waves=waves).equal
    # FST files begin with a header block: type 0, length 329, both big-endian.
    assert waves.read_bytes()[:9] == bytes([0, 0, 0, 0, 0, 0, 0, 1, 73])
    assert b"activation_memory" in waves.read_bytes()


def test_a_project_describes_itself(project: tuple[Path, MachineRun]) -> None:
    folder, _ = project
    described = json.loads((folder / "machine.json").read_text())
    assert described["machine"]["lanes"] == 4
    assert described["fingerprint"] == f"{MACHINE.fingerprint:08x}"
    assert all((folder / name).exists() for name in described["files"])
    ports = json.loads((folder / "ports.json").read_text())
    assert {
        "name": "m_axis_tdata",
        "direction": "output",
        "width": 32,
        "meaning": "Output words: the scores in class order, then the class.",
    } in ports
    assert all(f"`{port['name']}`" in (folder / "ports.md").read_text() for port in ports)
