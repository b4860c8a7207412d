"""What the benches drive at an accelerator's pins, cycle by cycle, and a program that plays it to a mutated one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bcsim.machine.parameters import Machine
from bcsim.rtl.bench.simulator import build, build_executable
from bcsim.rtl.generate.project import TOP
from bcsim.rtl.generate.verilog import Port, Verilog
from bench.coverage import run_benches

__all__ = ["ACCELERATOR", "CONTROL", "SEEN", "build_player", "record", "seen"]

ACCELERATOR = "accelerator_itself"
"""The generated module's name."""
SEEN = "seen"
"""The module around it whose outputs are 0 where they mean nothing, and the one that is mutated."""
CONTROL = "mutant"
"""The input that says which error is there."""

VALID = {
    "m_axis_tdata": "m_axis_tvalid",
    "m_axis_tlast": "m_axis_tvalid",
    "s_axil_bresp": "s_axil_bvalid",
    "s_axil_rdata": "s_axil_rvalid",
    "s_axil_rresp": "s_axil_rvalid",
    "monitor_write_address": "|monitor_write_enable",
}
"""Outputs that mean something where another is not 0."""

RENAMED = {"interrupt": "__SYM__interrupt"}
"""Verilator's names of ports that it takes for words of some C++ compilers."""

PLAYER = """\
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>
#include "V{top}.h"
// Arguments: the first mutant, the one behind the last, traces. Prints each one's first difference, or -1.
int main(int count, char** arguments) {{
    std::vector<std::vector<uint64_t>> traces;
    for (int file = 3; file < count; file++) {{
        FILE* trace = fopen(arguments[file], "r");
        std::vector<uint64_t> values;
        unsigned long long value;
        while (fscanf(trace, "%llx", &value) == 1) values.push_back(value);
        fclose(trace);
        traces.push_back(values);
    }}
    for (int mutant = atoi(arguments[1]); mutant < atoi(arguments[2]); mutant++) {{
        long found = -1, before = 0;
        for (const auto& values : traces) {{
            auto context = std::make_unique<VerilatedContext>();
            auto top = std::make_unique<V{top}>(context.get());
            top->{control} = mutant;
            top->clk = 0;
            for (size_t at = 0; at < values.size() && found < 0; at += {ports}) {{
                const uint64_t* v = &values[at];
{drive}
                top->eval();
                if ({differs}) found = before + at / {ports};
                top->clk = 1;
                top->eval();
                top->clk = 0;
                top->eval();
            }}
            before += values.size() / {ports};
            if (found >= 0) break;
        }}
        printf("%d %ld\\n", mutant, found);
        fflush(stdout);
    }}
}}
"""


def seen(design: Verilog, machine: Machine) -> str:
    """Verilog of the module SEEN, and of the accelerator in it.

    A written word's groups count where they are written, what a stream or response carries while it is offered.
    """
    ports = design.ports
    wires, outputs = [], []
    for port in (port for port in ports if port.direction == "output"):
        wires.append(f"  wire [{port.width - 1}:0] {port.name}_itself;")
        outputs.append(f"  assign {port.name} = {_meant(port, machine)};")
    connected = ", ".join(f".{p.name}({p.name}{'_itself' if p.direction == 'output' else ''})" for p in ports)
    lines = [*wires, f"  {ACCELERATOR} accelerator({connected});", *outputs]
    return f"{_head(SEEN, ports)}{chr(10).join(lines)}\nendmodule\n{design.text}"


def _meant(port: Port, machine: Machine) -> str:
    """A port's value where it means something, and 0 elsewhere."""
    value = f"{port.name}_itself"
    if port.name == "monitor_write_data":
        group = machine.requantisers * machine.digit
        masks = [f"{{{group}{{monitor_write_enable[{g}]}}}}" for g in reversed(range(port.width // group))]
        return f"{value} & {{{', '.join(masks)}}}"
    valid = VALID.get(port.name)
    return f"({valid}) ? {value} : {port.width}'d0" if valid else value


def _head(name: str, ports: Sequence[Port]) -> str:
    declared = ",\n".join(f"  {port.direction} [{port.width - 1}:0] {port.name}" for port in ports)
    return f"module {name}(\n{declared}\n);\n"


def record(machine: Machine, design: Verilog, folder: Path, networks: int, trials: int) -> list[Path]:
    """The traces of all benches: a line for each cycle, the ports' values before the clock's edge in hexadecimal."""
    (folder / "seen.v").write_text(seen(design, machine))
    (folder / "recorder.v").write_text(_recorder(design.ports))
    build(folder / "build", [folder / "recorder.v", folder / "seen.v"], TOP)
    return [scratch / "trace.txt" for scratch in run_benches(machine, folder, networks, trials)]


def _recorder(ports: Sequence[Port]) -> str:
    """A module of the name that the benches know, which writes down what it hands on."""
    connected = ", ".join(f".{port.name}({port.name})" for port in ports)
    names = [port.name for port in _order(ports)]
    formats = " ".join(["%h"] * len(names))
    return f"""\
{_head(TOP, ports)}
  integer file;
  initial file = $fopen("trace.txt", "w");
  {SEEN} inner({connected});
  always @(posedge clk) $fwrite(file, "{formats}\\n", {", ".join(names)});
endmodule
"""


def _order(ports: Sequence[Port]) -> list[Port]:
    """Inputs but for the clock, then outputs."""
    inputs = [port for port in ports if port.direction == "input" and port.name != "clk"]
    return inputs + [port for port in ports if port.direction == "output"]


def build_player(mutated: Path, design: Verilog, folder: Path) -> Path:
    """The program that plays traces to a mutated netlist, whose module is SEEN with the input CONTROL."""
    ports = _order(design.ports)
    values = [(port, f"top->{RENAMED.get(port.name, port.name)}", f"v[{n}]") for n, port in enumerate(ports)]
    drive = [f"{pin} = {value};" for port, pin, value in values if port.direction == "input"]
    differs = [f"{pin} != {value}" for port, pin, value in values if port.direction == "output"]
    source = folder / "player.cpp"
    source.write_text(
        PLAYER.format(
            top=SEEN,
            control=CONTROL,
            ports=len(ports),
            drive="\n".join(" " * 16 + line for line in drive),
            differs=" || ".join(differs),
        )
    )
    return build_executable(folder / "player", mutated, SEEN, source, optimised=False)
