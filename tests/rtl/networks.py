"""Random networks as the benches read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.machine.parameters import Machine
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.bench.simulator import build, run
from bcsim.rtl.bus.program_image import load_writes
from bcsim.rtl.generate.project import TOP
from bcsim.rtl.generate.vectors import bench_vectors
from bcsim.rtl.generate.verilog import to_verilog
from bcsim.simulator.pauses import random_pauses
from bcsim.simulator.simulator import run_machine
from tests.conv_programs import random_conv_program
from tests.programs import random_images, random_program
from tests.rtl.collisions import spoil_collisions
from tests.soak.levels import compiled
from tests.soak.networks import seeded

DRAWN_TRIES = 50


def build_machine(folder: Path, machine: Machine, simulator: str) -> None:
    """The machine without a program, built in `folder`, on memories that colliding reads do not work on."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{TOP}.v"
    source.write_text(spoil_collisions(to_verilog(Accelerator(machine), TOP).text))
    build(folder, [source], TOP, simulator=simulator)


def hold_networks(folder: Path, vectors: dict[int, dict[str, Any]], scratch: Path, simulator: str) -> None:
    """Run the networks one after another; the first difference of each, by its number."""
    for number, arrays in vectors.items():
        np.savez(scratch / f"{number:08}.npz", **arrays)
    passed = run(folder, "bcsim.rtl.bench.program_bench", TOP, simulator=simulator, cwd=scratch)
    assert passed, (scratch / "simulation.log").read_text()
    results = json.loads((scratch / "results.json").read_text())
    failed = {int(name): result["difference"] for name, result in results.items() if result["difference"]}
    assert not failed, f"differences, by seed (replay one with BCSIM_SEED): {failed}"
    assert len(results) == len(vectors)


def fitting_program(generator: np.random.Generator, machine: Machine, **limits: int) -> Mapping:
    """The first random program that the machine takes; some need shift planes. Spatial machines get both kinds, those
    that take several images at once more dense ones.

    Where weights can stream, those of most programs do.
    """
    convolutional = 0.9 if machine.batch == 1 else 0.6
    draw = random_conv_program if machine.spatial and generator.random() < convolutional else random_program
    streams = machine.weight_stream_bytes and generator.random() < 0.9
    while True:
        try:
            mapping = map_program(draw(generator, **limits), machine)
        except BcsimError:
            continue
        if mapping.slots or not streams:
            return mapping


def seeded_mapping(seed: int, machine: Machine, **limits: int) -> tuple[Mapping, np.random.Generator]:
    """The network of a seed on the machine, and the generator behind it."""
    generator = np.random.default_rng(seed)
    return fitting_program(generator, machine, **limits), generator


def network(seed: int, machine: Machine, **limits: int) -> dict[str, Any]:
    """A random network on the machine: how to load it, images, pauses and what the simulator makes of them."""
    mapping, generator = seeded_mapping(seed, machine, **limits)
    q = random_images(generator, mapping.program, int(generator.integers(2, 5)))
    return _vectors(mapping, q, generator)


def drawn_network(number: int, machine: Machine, folder: Path) -> dict[str, Any]:
    """The same of a network that is drawn as an ONNX file and compiled, the first from `number` on that fits."""
    for candidate in range(number, number + DRAWN_TRIES):
        try:
            _, program, q = compiled(seeded(candidate), folder)
            mapping = map_program(program, machine)
        except BcsimError:
            continue
        return _vectors(mapping, q[::7].astype(np.uint8), np.random.default_rng(number))
    raise AssertionError(f"none of the networks from {number} on fits the machine")


def _vectors(mapping: Mapping, q: np.ndarray[Any, Any], generator: np.random.Generator) -> dict[str, Any]:
    machine = mapping.machine
    pauses = random_pauses(generator, mapping, len(q))
    expected = run_machine(mapping, q, record=len(q), pauses=pauses)
    load = np.array(list(load_writes(machine, mapping.image)), np.int64)
    vectors = bench_vectors(expected, q, pauses)
    return {"load": load, **vectors}
