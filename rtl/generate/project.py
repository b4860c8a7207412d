"""A folder with an accelerator as Verilog and everything that it takes to simulate it."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import jinja2
import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.common.escape import comment
from bcsim.common.version import __version__
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.bus.program_image import program_checksum
from bcsim.rtl.generate.design import design_digest, design_line
from bcsim.rtl.generate.flow_files import write_flow_files
from bcsim.rtl.generate.ports import describe, ports_table
from bcsim.rtl.generate.vectors import bench_vectors
from bcsim.rtl.generate.verilog import Verilog, to_verilog
from bcsim.simulator.pauses import READY, Pauses
from bcsim.simulator.simulator import MachineRun, run_machine
from bcsim.simulator.weight_stream import memory_gaps

__all__ = ["TOP", "Stimulus", "write_bench", "write_project", "write_verilog"]

TOP = "accelerator"
LONGEST_NAME = 40
NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}")
WORDS = """
and always assign begin buf case cell config deassign default disable edge else end event for force fork function
generate genvar if initial inout input instance integer join large library localparam logic medium module nand negedge
nor not or output parameter posedge primitive real realtime reg release repeat scalared signed small specify strength
table task time tran tri unsigned use vectored wait wand while wire wor xnor xor
"""
RESERVED = frozenset(WORDS.split())
"""Words of Verilog that a module cannot be called."""
BENCH = Path(__file__).parents[1] / "bench"


@dataclass(frozen=True, slots=True)
class Stimulus:
    """Images q, uint8 (n, inputs), and the pauses of sources and sink.

    name : where the images come from.
    """

    name: str
    q: NDArray[np.uint8]
    pauses: Pauses = READY


def write_project(folder: Path, mapping: Mapping, stimulus: Stimulus, *, name: str = TOP) -> MachineRun:
    """Fill `folder` with the accelerator, its memory images, its description, its bench and files for other tools.

    name : of the top module and its file, as `write_verilog` has it.

    Returns the simulator's run, which the bench expects. Raises BcsimError where Yosys is missing.
    """
    run = run_machine(mapping, stimulus.q, record=len(stimulus.q), pauses=stimulus.pauses)
    verilog = write_verilog(folder, mapping, name)
    _write_description(folder, mapping, verilog, name)
    title = f"bcsim's accelerator of the network {mapping.program.name}"
    write_flow_files(folder, name, title, mapping.machine, verilog, line=design_line(mapping))
    write_bench(folder, run, stimulus, name)
    return run


def write_verilog(folder: Path, mapping: Mapping, name: str = TOP) -> Verilog:
    """The accelerator as Verilog, with the program's words as memory images.

    name : of the top module and its file. Any but TOP goes before the names of all other modules and memory files too,
        so that several accelerators can be in one design. Raises BcsimError for what is no plain name.
    """
    _check_name(name)
    prefix = "" if name == TOP else f"{name}_"
    verilog = to_verilog(Accelerator(mapping.machine, image=mapping.image), name, prefix=prefix)
    machine, program = mapping.machine, mapping.program
    heading = (
        f"// bcsim {__version__}: the network {comment(program.name)} on a machine of {machine.lanes} lanes,\n"
        f"// {machine.pes} processing elements and digits of {machine.digit} bits.\n"
        "// ports.md says what the ports mean.\n\n"
    )
    line = design_line(mapping)
    (folder / f"{name}.v").write_text(line + heading + verilog.text)
    for file, text in verilog.images.items():
        (folder / file).write_text(line + text)
    return verilog


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name) or name in RESERVED:
        raise BcsimError(
            f"Name must be a small letter and up to {LONGEST_NAME - 1} more small letters, digits and underscores, no "
            f"word of Verilog, not {name!r}"
        )


def _write_description(folder: Path, mapping: Mapping, verilog: Verilog, name: str) -> None:
    ports = [{**asdict(port), "meaning": describe(port)} for port in verilog.ports]
    (folder / "ports.json").write_text(json.dumps(ports, indent=2) + "\n")
    (folder / "ports.md").write_text(f"# Ports of `{name}`\n\n{ports_table(verilog.ports)}")
    description = {
        "bcsim": __version__,
        "design": design_digest(mapping),
        "program": mapping.program.name,
        "fingerprint": f"{mapping.machine.fingerprint:08x}",
        "machine": asdict(mapping.machine),
        "inputs": mapping.program.inputs,
        "classes": mapping.program.classes,
        "images_at_once": mapping.images,
        "words_per_image": mapping.beats,
        "weight_words_per_image": len(memory_gaps(mapping, 1)),
        "files": sorted(verilog.images),
    }
    (folder / "machine.json").write_text(json.dumps(description, indent=2) + "\n")


def write_bench(folder: Path, run: MachineRun, stimulus: Stimulus, name: str = TOP) -> None:
    """The bench, its vectors and the test that runs it."""
    mapping = run.mapping
    vectors = bench_vectors(run, stimulus.q, stimulus.pauses)
    machine = mapping.machine
    vectors["identity"] = np.array([machine.fingerprint, program_checksum(machine, mapping.image)])
    vectors["counters"] = np.array(machine.counters)
    np.savez_compressed(folder / "vectors.npz", allow_pickle=False, **vectors)
    for file in ("accelerator_bench.py", "simulator.py", "lint.vlt"):
        shutil.copyfile(BENCH / file, folder / file)
    shutil.copytree(BENCH / "fst", folder / "fst")
    template = jinja2.Template((BENCH / "test_accelerator.py.j2").read_text(), keep_trailing_newline=True)
    images = f"{len(stimulus.q)} images of {comment(stimulus.name)}"
    text = template.render(
        model=comment(mapping.program.name), images=images, top=name, design=design_digest(mapping)
    )
    (folder / "test_accelerator.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
