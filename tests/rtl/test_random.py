"""Random networks in Verilator against the simulator, cycle for cycle, with random pauses of source and sink.

A failure names the network's seed; BCSIM_SEED=<seed> runs that network alone, on the machine that it failed on.
BCSIM_SIMULATOR=icarus runs them in Icarus Verilog.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bcsim.compiler.program.layers import Search
from bcsim.machine.parameters import Machine
from tests.conv_programs import FEATURES, features
from tests.rtl.networks import build_machine, drawn_network, hold_networks, network, seeded_mapping

SIMULATOR = os.environ.get("BCSIM_SIMULATOR", "verilator")
DENSE, SPATIAL = 12, 24
"""Networks on each machine without and with convolutions."""
STREAMED = 16
SOAKED = 1000
DRAWN_ON, DRAWN = 5, 12
"""The machine of the networks that are drawn as ONNX files, and how many of them."""
SEEDS_PER_MACHINE = 1_000_000

MEMORIES: dict[str, Any] = {"activation_words": 1024, "weight_words": 32768, "parameter_words": 4096}
WINDOWS = MEMORIES | {"spatial": True, "activation_words": 4096}
STREAMING = WINDOWS | {"weight_words": 40}
MACHINES = (
    Machine(lanes=4, pes=4, digit=1, requantisers=2, input_bytes=1, input_buffers=1, **MEMORIES),
    Machine(lanes=2, pes=3, digit=2, requantisers=1, input_bytes=1, shift_planes=True, **MEMORIES),
    Machine(lanes=8, pes=8, digit=4, requantisers=4, input_bytes=8, shift_planes=True, **MEMORIES),
    Machine(
        lanes=6,
        pes=9,
        digit=8,
        requantisers=3,
        input_bytes=2,
        input_buffers=1,
        divide_cycles=2,
        **MEMORIES,
    ),
    Machine(
        lanes=12,
        pes=6,
        digit=8,
        requantisers=6,
        input_bytes=4,
        shift_planes=True,
        pipeline_registers=2,
        **MEMORIES,
    ),
    Machine(lanes=8, pes=8, digit=4, requantisers=4, input_bytes=2, shift_planes=True, **WINDOWS),
    Machine(
        lanes=4, pes=6, digit=1, requantisers=2, input_bytes=4, shift_planes=True, divide_cycles=2, **WINDOWS
    ),
    Machine(
        lanes=6,
        pes=9,
        digit=4,
        requantisers=3,
        input_bytes=2,
        weight_stream_bytes=4,
        pipeline_registers=1,
        **MEMORIES | {"weight_words": 20},
    ),
    Machine(
        lanes=4,
        pes=4,
        digit=1,
        requantisers=2,
        input_bytes=4,
        weight_stream_bytes=1,
        parity=True,
        **STREAMING,
    ),
    Machine(
        lanes=4,
        pes=8,
        digit=4,
        requantisers=4,
        input_bytes=4,
        weight_stream_bytes=2,
        shift_planes=True,
        pipeline_registers=3,
        **STREAMING,
    ),
    Machine(
        lanes=6,
        pes=12,
        digit=8,
        requantisers=2,
        input_bytes=2,
        weight_stream_bytes=8,
        shift_planes=True,
        reuse=2,
        drains=2,
        pipeline_registers=4,
        **STREAMING,
    ),
    Machine(
        lanes=4,
        pes=8,
        digit=4,
        requantisers=4,
        input_bytes=2,
        shift_planes=True,
        reuse=4,
        batch=4,
        **WINDOWS,
    ),
    Machine(
        lanes=4,
        pes=4,
        digit=2,
        requantisers=1,
        input_bytes=2,
        weight_stream_bytes=4,
        activation_banks=2,
        **STREAMING,
    ),
)


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """A machine's number and the folder of its simulator, built without a program."""
    folder = tmp_path_factory.mktemp(f"machine{request.param}")
    build_machine(folder, MACHINES[request.param], SIMULATOR)
    return request.param, folder


def check_networks(built: tuple[int, Path], networks: range, scratch: Path) -> None:
    index, folder = built
    seeds = [index * SEEDS_PER_MACHINE + network for network in networks]
    if wanted := os.environ.get("BCSIM_SEED"):
        seeds = [int(wanted)] if int(wanted) // SEEDS_PER_MACHINE == index else []
    hold_networks(folder, {seed: network(seed, MACHINES[index]) for seed in seeds}, scratch, SIMULATOR)


@pytest.mark.rtl
@pytest.mark.parametrize("built", range(len(MACHINES)), indirect=True)
def test_random_networks_equal_the_simulator(built: tuple[int, Path], tmp_path: Path) -> None:
    check_networks(built, range(_networks(built[0])), tmp_path)


@pytest.mark.rtl
@pytest.mark.parametrize("built", [DRAWN_ON], indirect=True)
def test_networks_drawn_as_onnx_files_equal_the_simulator(built: tuple[int, Path], tmp_path: Path) -> None:
    """Those of tests/soak, compiled; BCSIM_SEED=<number> runs one alone."""
    index, folder = built
    wanted = os.environ.get("BCSIM_SEED")
    numbers = [int(wanted)] if wanted else range(0, 10 * DRAWN, 10)
    drawn = {n: drawn_network(n, MACHINES[index], tmp_path) for n in numbers}
    hold_networks(folder, drawn, tmp_path, SIMULATOR)


@pytest.mark.soak
@pytest.mark.parametrize("built", [DRAWN_ON], indirect=True)
def test_thousands_of_drawn_networks_equal_the_simulator(built: tuple[int, Path], tmp_path: Path) -> None:
    index, folder = built
    for start in range(10_000, 10_000 + SOAKED, 100):
        scratch = tmp_path / str(start)
        scratch.mkdir()
        numbers = range(start, start + 100)
        drawn = {n: drawn_network(n, MACHINES[index], scratch) for n in numbers}
        hold_networks(folder, drawn, scratch, SIMULATOR)
        print(f"drawn networks {start} to {start + 99}", flush=True)


def _networks(machine: int) -> int:
    if MACHINES[machine].weight_stream_bytes:
        return STREAMED
    if MACHINES[machine].batch > 1:
        return SPATIAL + DENSE
    return SPATIAL if MACHINES[machine].spatial else DENSE


def test_most_networks_of_streaming_machines_stream() -> None:
    """Layers of one tile and of several, alone and among resident ones, dense and with many positions to a tile."""
    found: Counter[str] = Counter()
    for index, machine in enumerate(MACHINES):
        for seed in range(_networks(index) if machine.weight_stream_bytes else 0):
            nests = seeded_mapping(index * SEEDS_PER_MACHINE + seed, machine)[0].nests
            streamed = [nest for nest in nests if nest.streamed]
            found["some"] += bool(streamed)
            found["all"] += len(streamed) == len(nests)
            found["several positions"] += any(nest.positions > 1 for nest in streamed)
            found["pooled"] += any(nest.window > 1 for nest in streamed)
            found["a layer of one tile"] += any(nest.tiles == 1 for nest in streamed)
            found["several tiles and positions"] += any(n.tiles > 1 and n.positions > 1 for n in streamed)
    assert found["some"] >= 48
    assert found["several positions"] >= 16
    assert min(found.values()) >= 3, found


def test_networks_on_machines_with_strips_have_them() -> None:
    """Strips of several positions, shorter ones at the ends of rows, several to a row; of several tiles, and pooled."""
    found: Counter[str] = Counter()
    for index, machine in enumerate(MACHINES):
        for seed in range(_networks(index) if machine.reuse > 1 else 0):
            nests = seeded_mapping(index * SEEDS_PER_MACHINE + seed, machine)[0].nests
            strips = [nest for nest in nests if nest.strip_full > 1]
            found["some"] += bool(strips)
            found["short"] += any(nest.strip_last < nest.strip_full for nest in strips)
            found["several to a row"] += any(nest.strips_in_row > 1 for nest in strips)
            found["pooled"] += any(nest.window > 1 for nest in strips)
            found["several tiles"] += any(nest.tiles > 1 for nest in strips)
            found["streamed"] += any(nest.streamed for nest in strips)
            found["padded"] += any(any(nest.geometry.pads) for nest in strips)
    assert found["some"] >= 20
    assert min(found.values()) >= 3, found


def test_dense_networks_on_machines_with_batches_are_taken_in_them() -> None:
    """Scores of one tile and of several, hidden layers of several tiles, divided and searched."""
    found: Counter[str] = Counter()
    for index, machine in enumerate(MACHINES):
        for seed in range(_networks(index) if machine.batch > 1 else 0):
            mapping = seeded_mapping(index * SEEDS_PER_MACHINE + seed, machine)[0]
            if mapping.images == 1:
                found["one by one"] += 1
                continue
            last = mapping.nests[-1]
            found["scores of one tile"] += last.tiles == 1
            found["scores of several tiles"] += last.tiles > 1
            found["scores of several rounds"] += last.rounds > 1
            found["hidden layers of several tiles"] += any(nest.tiles > 1 for nest in mapping.nests[:-1])
            found["searched"] += any(isinstance(nest.layer.requantiser, Search) for nest in mapping.nests)
    assert len(found) == 6
    assert min(found.values()) >= 3, found


def test_at_least_50_networks_are_convolutional_and_hold_every_kind_of_layer() -> None:
    found: Counter[str] = Counter()
    for index, machine in enumerate(MACHINES):
        for seed in range(index * SEEDS_PER_MACHINE, index * SEEDS_PER_MACHINE + _networks(index)):
            mapping = seeded_mapping(seed, machine)[0]
            found.update(features(mapping.program, packed=mapping.packed))
    assert found.pop("convolutional") >= 50
    assert len(found) == len(FEATURES) - 1
    assert min(found.values()) >= 5, found


@pytest.mark.soak
@pytest.mark.parametrize("built", range(len(MACHINES)), indirect=True)
def test_thousands_of_networks_equal_the_simulator(built: tuple[int, Path], tmp_path: Path) -> None:
    first = _networks(built[0])
    for start in range(first, first + SOAKED, 100):
        scratch = tmp_path / str(start)
        scratch.mkdir()
        check_networks(built, range(start, start + 100), scratch)
