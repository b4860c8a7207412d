"""Errors planted in the netlist of a small accelerator, one at a time: how many do the benches' stimuli show?

python -m bench.netlist_mutants [--mutants 400] [--networks 24] [--trials 48] [--seed 1] [--seconds 60] [--json]

Yosys' `mutate` draws the errors: a bit of a cell's port inverted, constant, or inverted where another bit is set. All
of them stand in one netlist, where an input says which is there. Random networks, wrong programs and the register sweep
(as in bench.coverage) run once on the original, whose pins are recorded in every cycle; each mutant gets the same
inputs and is found where an output differs that means something in that cycle. One that is not found is left out if
ABC proves that it equals the original in all cycles, for all inputs and all that its memories may read. Exit status 1
where fewer than FOUND per cent of the others are found.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bcsim.common.console import track
from bcsim.common.errors import BcsimError
from bcsim.common.leftovers import scratch_folder
from bcsim.machine.parameters import Machine
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.formal.aig import Netlist, read_netlist
from bcsim.rtl.generate.verilog import to_verilog
from bcsim.rtl.tools.yosys import run_yosys
from bench.common import run_main
from bench.coverage import SPATIAL
from bench.netlist_equal import is_equivalent
from bench.netlist_trace import ACCELERATOR, CONTROL, SEEN, build_player, record

FOUND = 95
"""Per cent of the errors that change anything."""
MACHINE = Machine(lanes=4, pes=4, digit=4, input_bytes=2, shift_planes=True, **SPATIAL)
MARK = "around"
"""The attribute of cells that are not the accelerator's."""
FLATTEN = (
    f"hierarchy -top {SEEN}\nproc\nsetattr -set {MARK} 1 {SEEN}/t:*\nflatten\nopt -full\nopt_clean -purge"
)
GATES = (
    *(
        "async2sync",
        "opt_clean",
        "techmap",
        "opt -fast",
        "setundef -anyseq",
        "dffunmap",
        "simplemap",
        "aigmap",
    ),
    *("opt_clean", "write_aiger -ascii -zinit -symbols gates.aag"),
)
CHOSEN = f"{SEEN}/t:* t:$mem* %d a:{MARK} %d"
"""Yosys' selection of the cells that get errors: what drives a memory's ports is among them, its contents are not."""
MUTATION = re.compile(r"-mode (?P<mode>\w+) .*-cell (?P<cell>\S+) -port (?P<port>\S+) -portbit (?P<bit>\d+)")
BLOCK = re.compile(r"accelerator\.\\?(\w+)\.")
RESULT = re.compile(r"(\d+) (-?\d+)\n")
UNSETTLED = -1
"""In place of a cycle: Verilator gives up on the first."""
MEMORY = re.compile(r"^  cell \$mem_v2 (\S+)\n((?:    .*\n)*)  end\n", re.MULTILINE)
CONNECTION = re.compile(r"^    connect \\(\w+) (.*)\n", re.MULTILINE)
WIDTH = re.compile(r"^    parameter (?:signed )?\\(\w+) (\S+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mutant:
    """An error: `command` plants it, `block` has it; cycle is that of the first difference, None without one."""

    number: int
    command: str
    cycle: int | None = None
    equivalent: bool = False

    @property
    def block(self) -> str:
        """The instance, or `top`."""
        found = BLOCK.search(self.command)
        return found[1] if found else "top"

    @property
    def name(self) -> str:
        """What is changed where."""
        found = MUTATION.search(self.command)
        return "{mode} of {cell} {port}[{bit}]".format(**found.groupdict()) if found else self.command


def plant(folder: Path, number: int, seed: int) -> list[Mutant]:
    """Write planted.il and mutated.v, the flat netlist with all errors; the errors in order."""
    bits = number.bit_length()
    draw = f"mutate -list {number} -seed {seed} -ctrl {CONTROL} {bits} 1 -o mutants.txt {CHOSEN}"
    run_yosys(f"read_verilog seen.v\n{FLATTEN}\nwrite_rtlil flat.il\n{draw}", cwd=folder)
    commands = (folder / "mutants.txt").read_text().splitlines()
    planted = "\n".join(commands)
    run_yosys(
        f"read_rtlil flat.il\n{planted}\nopt_clean\nwrite_rtlil planted.il\nwrite_verilog -noattr mutated.v",
        cwd=folder,
    )
    return [Mutant(number, command) for number, command in enumerate(commands, 1)]


def play(player: Path, traces: Sequence[Path], first: int, end: int) -> Iterator[tuple[int, int | None]]:
    """The cycle of each mutant's first difference, as they are found; UNSETTLED where it has a loop that oscillates."""
    while first < end:
        command = [str(player), str(first), str(end), *map(str, traces)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as running:
            assert running.stdout is not None, "a pipe"
            for line in running.stdout:
                if result := RESULT.fullmatch(line):
                    first, cycle = int(result[1]) + 1, int(result[2])
                    yield first - 1, cycle if cycle >= 0 else None
        if running.returncode:
            yield first, UNSETTLED
            first += 1


def cut_memories(netlist: str) -> str:
    """RTLIL of one module in which memories are outside: what they read comes in, all else of them goes out."""

    def cut(cell: re.Match[str]) -> str:
        name, parameters = re.sub(r"\W", "_", cell[1]), dict(WIDTH.findall(cell[2]))
        size = {key: int(parameters[key]) for key in ("WIDTH", "RD_PORTS", "WR_PORTS", "ABITS")}
        widths = {
            "RD_DATA": size["RD_PORTS"] * size["WIDTH"],
            "RD_ADDR": size["RD_PORTS"] * size["ABITS"],
            "RD_EN": size["RD_PORTS"],
            "WR_DATA": size["WR_PORTS"] * size["WIDTH"],
            "WR_ADDR": size["WR_PORTS"] * size["ABITS"],
            "WR_EN": size["WR_PORTS"] * size["WIDTH"],
        }
        lines = []
        for port, value in CONNECTION.findall(cell[2]):
            if widths.get(port):
                wire, way = f"\\{name}_{port}", "input" if port == "RD_DATA" else "output"
                lines.append(f"  wire width {widths[port]} {way} {next(numbers)} {wire}\n")
                pair = (value, wire) if port == "RD_DATA" else (wire, value)
                lines.append("  connect {} {}\n".format(*pair))
        return "".join(lines)

    numbers = iter(range(10_000, 20_000))
    return MEMORY.sub(cut, netlist)


def graph(folder: Path) -> Netlist:
    """The netlist with all errors, in gates, its memories outside; `folder` has planted.il."""
    run_yosys("read_rtlil planted.il\nmemory_collect\nwrite_rtlil memories.il", cwd=folder)
    (folder / "cut.il").write_text(cut_memories((folder / "memories.il").read_text()))
    run_yosys("\n".join(("read_rtlil cut.il", *GATES)), cwd=folder)
    return read_netlist(folder / "gates.aag")


def _print(mutants: Sequence[Mutant]) -> None:
    table = Table(title="Errors in the netlist", title_justify="left")
    for heading in ("block", "planted", "change nothing", "found", "not found"):
        table.add_column(heading, justify="left" if heading == "block" else "right")
    counts: dict[str, Counter[str]] = {}
    for mutant in mutants:
        for block in (mutant.block, "all"):
            kind = "found" if mutant.cycle is not None else "equal" if mutant.equivalent else "missed"
            counts.setdefault(block, Counter())[kind] += 1
    for block, count in sorted(counts.items(), key=lambda item: (item[0] == "all", item[0])):
        table.add_row(
            block, *(f"{n}" for n in (count.total(), count["equal"], count["found"], count["missed"]))
        )
    console = Console(width=110)
    console.print(table)
    for mutant in mutants:
        if mutant.cycle is None and not mutant.equivalent:
            console.print(f"not found: {mutant.name}", markup=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mutants", type=int, default=400)
    parser.add_argument("--networks", type=int, default=24)
    parser.add_argument("--trials", type=int, default=48)
    parser.add_argument("--seed", type=int, default=1, help="of the errors that are drawn")
    parser.add_argument("--seconds", type=int, default=60, help="for each search for a proof of equality")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with scratch_folder() as folder:
        design = to_verilog(Accelerator(MACHINE), ACCELERATOR)
        traces = record(MACHINE, design, folder, options.networks, options.trials)
        mutants = plant(folder, options.mutants, options.seed)
        player = build_player(folder / "mutated.v", design, folder)
        if dict(play(player, traces, 0, 1))[0] is not None:
            raise BcsimError("The netlist without an error differs from its own recording: mend that first")
        played = track(play(player, traces, 1, len(mutants) + 1), "Played", len(mutants))
        cycles = dict(played)
        mutants = [Mutant(m.number, m.command, cycles[m.number]) for m in mutants]
        left = [mutant.number for mutant in mutants if mutant.cycle is None]
        netlist = graph(folder)
        tried = track(left, "Not found: equal?", len(left))
        equal = {number for number in tried if is_equivalent(netlist, CONTROL, number, options.seconds)}
    mutants = [Mutant(m.number, m.command, m.cycle, m.number in equal) for m in mutants]
    found = sum(mutant.cycle is not None for mutant in mutants)
    different = len(mutants) - len(equal)
    if options.json:
        rows = [{"error": m.name, "block": m.block, "cycle": m.cycle, "equal": m.equivalent} for m in mutants]
        print(json.dumps(rows, indent=2))
    else:
        _print(mutants)
        print(f"{100 * found / different:.1f} % of {different} errors that change anything are found")
    if 100 * found < FOUND * different:
        sys.exit(1)


if __name__ == "__main__":
    run_main(main)
