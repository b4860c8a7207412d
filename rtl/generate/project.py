"""A folder with an accelerator as Verilog and everything that it takes to simulate it."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import jinja2
import numpy as np
from numpy.typing import NDArray

from bcsim.common.escape import comment
from bcsim.common.version import __version__
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.bus.program_image import program_checksum
from bcsim.rtl.generate.design import design_digest, design_line
from bcsim.rtl.generate.ports import describe, ports_table
from bcsim.rtl.generate.vectors import bench_vectors
from bcsim.rtl.generate.verilog import Verilog, to_verilog
from bcsim.simulator.pauses import READY, Pauses
from bcsim.simulator.simulator import MachineRun, run_machine
from bcsim.simulator.weight_stream import memory_gaps

__all__ = ["TOP", "Stimulus", "write_bench", "write_project", "write_verilog"]

TOP = "accelerator"
BENCH = Path(__file__).parents[1] / "bench"


@dataclass(frozen=True, slots=True)
class Stimulus:
    """Images q, uint8 (n, inputs), and the pauses of sources and sink.

    name : where the images come from.
    """

    name: str
    q: NDArray[np.uint8]
    pauses: Pauses = READY


def write_project(folder: Path, mapping: Mapping, stimulus: Stimulus) -> MachineRun:
    """Fill `folder` with the accelerator, its memory images, its description and its bench.

    Returns the simulator's run, which the bench expects. Raises BcsimError where Yosys is missing.
    """
    run = run_machine(mapping, stimulus.q, record=len(stimulus.q), pauses=stimulus.pauses)
    verilog = write_verilog(folder, mapping)
    _write_description(folder, mapping, verilog)
    write_bench(folder, run, stimulus)
    return run


def write_verilog(folder: Path, mapping: Mapping) -> Verilog:
    """The accelerator as Verilog, with the program's words as memory images."""
    verilog = to_verilog(Accelerator(mapping.machine, image=mapping.image), TOP)
    machine, program = mapping.machine, mapping.program
    heading = (
        f"// bcsim {__version__}: the network {comment(program.name)} on a machine of {machine.lanes} lanes,\n"
        f"// {machine.pes} processing elements and digits of {machine.digit} bits.\n"
        "// ports.md says what the ports mean.\n\n"
    )
    line = design_line(mapping)
    (folder / f"{TOP}.v").write_text(line + heading + verilog.text)
    for name, text in verilog.images.items():
        (folder / name).write_text(line + text)
    return verilog


def _write_description(folder: Path, mapping: Mapping, verilog: Verilog) -> None:
    ports = [{**asdict(port), "meaning": describe(port)} for port in verilog.ports]
    (folder / "ports.json").write_text(json.dumps(ports, indent=2) + "\n")
    (folder / "ports.md").write_text(f"# Ports of `{TOP}`\n\n{ports_table(verilog.ports)}")
    description = {
        "bcsim": __version__,
        "design": design_digest(mapping),
        "program": mapping.program.name,
        "fingerprint": f"{mapping.machine.fingerprint:08x}",
        "machine": asdict(mapping.machine),
        "inputs": mapping.program.inputs,
        "classes": mapping.program.classes,
        "words_per_image": mapping.beats,
        "weight_words_per_image": len(memory_gaps(mapping, 1)),
        "files": sorted(verilog.images),
    }
    (folder / "machine.json").write_text(json.dumps(description, indent=2) + "\n")


def write_bench(folder: Path, run: MachineRun, stimulus: Stimulus) -> None:
    """The bench, its vectors and the test that runs it."""
    mapping = run.mapping
    vectors = bench_vectors(run, stimulus.q, stimulus.pauses)
    machine = mapping.machine
    vectors["identity"] = np.array([machine.fingerprint, program_checksum(machine, mapping.image)])
    vectors["counters"] = np.array(machine.counters)
    np.savez_compressed(folder / "vectors.npz", allow_pickle=False, **vectors)
    for name in ("accelerator_bench.py", "simulator.py", "lint.vlt"):
        shutil.copyfile(BENCH / name, folder / name)
    shutil.copytree(BENCH / "fst", folder / "fst")
    template = jinja2.Template((BENCH / "test_accelerator.py.j2").read_text(), keep_trailing_newline=True)
    images = f"{len(stimulus.q)} images of {comment(stimulus.name)}"
    text = template.render(
        model=comment(mapping.program.name), images=images, top=TOP, design=design_digest(mapping)
    )
    (folder / "test_accelerator.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
