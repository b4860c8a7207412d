"""The accelerator as block designs want it: `aclk`, `aresetn`, and attributes that say which ports are a bus."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bcsim.rtl.generate.verilog import Port

__all__ = ["axi_wrapper"]

BUSES = {
    "s_axis_weights": "xilinx.com:interface:axis:1.0",
    "s_axis": "xilinx.com:interface:axis:1.0",
    "m_axis": "xilinx.com:interface:axis:1.0",
    "s_axil": "xilinx.com:interface:aximm:1.0",
}
"""Prefixes of ports and their kind of bus, the longer of two first."""

HIDDEN = ("clk", "rst")


def axi_wrapper(name: str, ports: Sequence[Port]) -> str:
    """Module `{name}_axi` around module `name`. The monitor is left open."""
    shown = [port for port in ports if port.name not in HIDDEN and not port.name.startswith("monitor_")]
    buses = [bus for bus in BUSES if any(_bus(port) == bus for port in shown)]
    clock = f"ASSOCIATED_BUSIF {':'.join(buses)}, ASSOCIATED_RESET aresetn"
    declared = [
        _declared("xilinx.com:signal:clock:1.0 aclk CLK", clock, "input wire aclk"),
        _declared("xilinx.com:signal:reset:1.0 aresetn RST", "POLARITY ACTIVE_LOW", "input wire aresetn"),
        *map(_port, shown),
    ]
    connected = [".clk(aclk)", ".rst(~aresetn)", *(f".{port.name}({port.name})" for port in shown)]
    connected += [f".{port.name}()" for port in ports if port.name.startswith("monitor_")]
    return (
        f"// Module {name} with a clock and a reset, active low, as AXI names them, for block designs.\n"
        f"module {name}_axi (\n{_joined(declared)}\n);\n"
        f"  {name} {name}_core (\n{_joined('    ' + each for each in connected)}\n  );\nendmodule\n"
    )


def _bus(port: Port) -> str | None:
    return next((bus for bus in BUSES if port.name.startswith(f"{bus}_")), None)


def _port(port: Port) -> str:
    width = f" [{port.width - 1}:0]" if port.width > 1 else ""
    declaration = f"{port.direction} wire{width} {port.name}"
    bus = _bus(port)
    if bus:
        return _declared(f"{BUSES[bus]} {bus} {port.name.removeprefix(f'{bus}_').upper()}", None, declaration)
    kind = f"xilinx.com:signal:interrupt:1.0 {port.name} INTERRUPT"
    return _declared(kind, "SENSITIVITY LEVEL_HIGH", declaration)


def _declared(information: str, parameter: str | None, declaration: str) -> str:
    lines = [f'  (* X_INTERFACE_INFO = "{information}" *)']
    if parameter:
        lines.append(f'  (* X_INTERFACE_PARAMETER = "{parameter}" *)')
    return "\n".join([*lines, f"  {declaration}"])


def _joined(items: Iterable[str]) -> str:
    return ",\n".join(items)
