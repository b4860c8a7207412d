"""The table of operators in docs/onnx.md: how far the networks of every row get.

python -m bench.onnx_table                    # prints it, every network run at the levels program and machine
python -m bench.onnx_table --verilog          # each as Verilog too, in Verilator
python -m bench.onnx_table --verilog --write  # and writes it into docs/onnx.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

import bcsim
from bcsim.common.errors import BcsimError
from bcsim.common.files import write_text
from bcsim.compiler.mapping.mapping import map_program
from bcsim.compiler.program.layers import Program
from bcsim.data import Dataset
from bcsim.execution.execute import execute
from bcsim.execution.float_reference import run_float
from bcsim.execution.raw_levels import program_input
from bcsim.machine.parameters import SMALL
from bcsim.results.cost_report import map_enlarged
from bcsim.simulator.simulator import run_machine
from bench.common import run_main
from bench.onnx_networks import ROWS, Network, Row

__all__ = ["PAGE", "Reached", "check_network", "check_row", "check_verilog", "row_text", "table_lines"]

PAGE = Path(__file__).parents[1] / "docs" / "onnx.md"
HEADER = ("| operators | accepted | program | machine | Verilog |", "|---|---|---|---|---|")
IMAGES, MACHINE_IMAGES = 64, 2


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a network gets.

    program : "exact" or "rounded", where float activations or scores are rounded after training.
    machine, verilog : whether these levels equal the one above on some images; verilog is None where it was not run.
    """

    program: str
    machine: bool
    verilog: bool | None = None


def check_network(network: Network) -> tuple[Reached, Program, NDArray[np.uint8]]:
    """The network at the levels program and machine, its program, and images for the machine.

    Raises BcsimError where it does not compile, AssertionError where levels differ.
    """
    images = np.random.default_rng(5).integers(0, 256, (IMAGES, *network.shape), dtype=np.uint8)
    data = Dataset("random pixels", images.reshape(IMAGES, -1), None, 8, 255)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        path.write_bytes(network.model().SerializeToString())
        model = bcsim.load(path)
        program = bcsim.compile(model, calibration=data, input="raw")
        assert model.graph is not None
        floats = run_float(path, model.graph, images.reshape(IMAGES, -1).astype(np.float64))
    q = program_input(program, data)
    scores = execute(program, q).scores
    if program.exact and any(model.graph.output in node.output for node in network.model().graph.node):
        step = float(program.layers[-1].target.scale)
        off = np.abs(program.layers[-1].target.decode(scores) - floats.scores).max()
        assert off <= step / 2 + 1e-4 * np.abs(floats.scores).max(), f"scores are {off} off"
    some = q[:MACHINE_IMAGES].astype(np.uint8)
    return _on_machine(program, some, scores[:MACHINE_IMAGES]), program, some


def _on_machine(program: Program, q: NDArray[np.uint8], scores: NDArray[np.uint16]) -> Reached:
    kind = "exact" if program.exact else "rounded"
    try:
        mapping = map_enlarged(program, SMALL)
    except BcsimError:
        return Reached(kind, machine=False, verilog=False)
    assert (run_machine(mapping, q).scores == scores).all(), "machine and program differ"
    return Reached(kind, machine=True)


def check_row(row: Row) -> Reached:
    """What all networks of a row reach at the levels program and machine."""
    found = [check_network(network)[0] for network in row.networks]
    program = "exact" if all(reached.program == "exact" for reached in found) else "rounded"
    machine = all(reached.machine for reached in found)
    return Reached(program, machine, None if machine else False)


def check_verilog(rows: Sequence[Row]) -> Iterator[bool]:
    """Whether each row's networks run as Verilog: all on one machine that fits them.

    Networks of the same design, which differ in what its memories hold, share a build in Verilator.
    """
    from bcsim.rtl.generate.project import Stimulus, write_project
    from bcsim.rtl.generate.verify import compare

    parts = [[check_network(network) for network in row.networks] for row in rows]
    machine = SMALL
    for reached, program, _ in (part for row in parts for part in row):
        machine = map_enlarged(program, machine).machine if reached.machine else machine
    identities: dict[str, NDArray[np.int64]] = {}
    with TemporaryDirectory() as scratch:
        for index, row in enumerate(parts):
            for place, (_, program, q) in enumerate(row):
                folder = Path(scratch) / f"{index}-{place}"
                folder.mkdir()
                expected = write_project(
                    folder, map_program(program, machine), Stimulus("random pixels", q[:1])
                )
                design = _digest((folder / "accelerator.v").read_text())
                identities[design] = _with_identity(folder, identities.get(design))
                built = Path(scratch) / design
                found = compare(folder, expected, simulator="verilator", built=built)
                assert found.equal, (
                    f"Verilog and machine differ in network {place} of {rows[index].operators}"
                )
            yield all(reached.machine for reached, _, _ in row)


def _digest(verilog: str) -> str:
    """Of a design, apart from its comments and its program's checksum."""
    lines = [
        line for line in verilog.splitlines() if not line.startswith("//") and "_checksum = " not in line
    ]
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


def _with_identity(folder: Path, identity: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Have the bench expect the checksum of the program that the simulation was built with, all else its own."""
    with np.load(folder / "vectors.npz") as stored:
        vectors = dict(stored)
    if identity is not None:
        vectors["identity"] = identity
        np.savez_compressed(folder / "vectors.npz", allow_pickle=False, **vectors)
    return np.asarray(vectors["identity"])


def row_text(row: Row, reached: Reached) -> str:
    """The row as Markdown."""
    cells = (_operators(row), row.accepted, reached.program, _word(reached.machine), _word(reached.verilog))
    return f"| {' | '.join(cells)} |"


def _operators(row: Row) -> str:
    """Names, each domain's together."""
    domains = dict.fromkeys(name.rpartition(".")[0] for name in row.operators)
    names = {
        domain: tuple(name.rpartition(".")[2] for name in row.operators if name.rpartition(".")[0] == domain)
        for domain in domains
    }
    by_names: dict[tuple[str, ...], list[str]] = {}
    for domain, of_domain in names.items():
        by_names.setdefault(of_domain, []).append(domain)
    parts = []
    for of_domain, where in by_names.items():
        said = ", ".join(f"`{domain}`" if domain else "none" for domain in where)
        parts.append(", ".join(of_domain) + (f" of {said}" if where != [""] else ""))
    return "; ".join(parts) or "*outputs*"


def _word(reached: bool | None) -> str:
    return "not run" if reached is None else "yes" if reached else "no"


def table_lines(*, verilog: bool) -> Iterator[str]:
    """The table, line by line, as its networks are run."""
    yield from HEADER
    ran: Iterable[bool | None] = check_verilog(ROWS) if verilog else [None] * len(ROWS)
    for row, found in zip(ROWS, ran, strict=True):
        yield row_text(row, replace(check_row(row), verilog=found))


def _main() -> None:
    lines = []
    for line in table_lines(verilog="--verilog" in sys.argv[1:]):
        print(line, flush=True)
        lines.append(line)
    if "--write" in sys.argv[1:]:
        text = PAGE.read_text(encoding="utf-8").splitlines()
        places = [index for index, line in enumerate(text) if line.startswith("| operators |")]
        end = next(index for index in range(places[0], len(text)) if not text[index].startswith("|"))
        write_text(PAGE, "\n".join([*text[: places[0]], *lines, *text[end:]]) + "\n")


if __name__ == "__main__":
    run_main(_main)
