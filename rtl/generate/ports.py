"""What the ports of the accelerator mean, as users read it beside the Verilog."""

from __future__ import annotations

from collections.abc import Iterable

from bcsim.common.errors import BcsimError
from bcsim.rtl.generate.verilog import Port

__all__ = ["describe", "ports_table"]

MEANINGS: tuple[tuple[str, str], ...] = (
    ("clk", "Clock; every register works on its rising edge."),
    (
        "rst",
        "Reset, synchronous, active high: whatever was loaded or computing is forgotten, memories are not.",
    ),
    ("interrupt", "High while an image's end or an error is noted and CONTROL lets it rise."),
    ("s_axis_weights_tdata", "Words of the weight stream, a weight word's low bits first."),
    ("s_axis_weights_tlast", "The last word of the weights that an image needs."),
    ("s_axis_weights_", "AXI4-Stream of the weights that are not on the chip."),
    ("s_axis_tdata", "Input words: one value in each byte, least significant byte first."),
    ("s_axis_tkeep", "Which bytes of the input word count; the others are taken as 0."),
    ("s_axis_tlast", "The last word of an image."),
    ("s_axis_", "AXI4-Stream of images."),
    ("m_axis_tdata", "Output words: the scores in class order, then the class."),
    ("m_axis_tlast", "The class: the last word of an image's result."),
    ("m_axis_", "AXI4-Stream of results."),
    ("s_axil_", "AXI4-Lite: registers and memory loading."),
    ("monitor_write_enable", "For benches: groups of the activation memory written in this cycle."),
    ("monitor_write_address", "For benches: the word that is written."),
    ("monitor_write_data", "For benches: what is written. Left open, the monitor costs nothing."),
)


def describe(port: Port) -> str:
    """The meaning of a port. Raises BcsimError for one that is not documented."""
    for prefix, meaning in MEANINGS:
        if port.name.startswith(prefix):
            return meaning
    raise BcsimError(f"Port {port.name} has no description")


def ports_table(ports: Iterable[Port]) -> str:
    """A Markdown table of ports."""
    rows = "".join(f"| `{p.name}` | {p.direction} | {p.width} | {describe(p)} |\n" for p in ports)
    return f"| port | direction | bits | meaning |\n|---|---|---:|---|\n{rows}"
