"""Symbolic simulation: a design cycle by cycle, its control as bits, its data as functions of what is left open.

What is driven with constants stays constant where it can, so that a whole machine's control folds away and its data
become formulas (Bryant, Symbolic simulation: techniques and applications, DAC 1990).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from amaranth.back import rtlil
from amaranth.lib import wiring

from bcsim.common.leftovers import scratch_folder
from bcsim.rtl.formal.aig import FALSE, TRUE, Graph, Netlist, read_netlist
from bcsim.rtl.tools.yosys import run_yosys

__all__ = ["Unrolled", "netlist_of"]

GATES = (
    *("read_rtlil design.il", "proc", "flatten", "opt -full", "memory", "opt -full", "async2sync"),
    *("techmap", "opt -fast", "setundef -anyseq", "dffunmap", "simplemap", "aigmap", "opt_clean"),
    "write_aiger -ascii -zinit -symbols design.aag",
)
UNDEFINED = re.compile(r"init:|i\d+$")
"""What Yosys names the inputs in place of a missing initial value, and of a value that is left open."""
BIT = re.compile(r"(.*?)(?:\[(\d+)\])?")


def netlist_of(component: wiring.Component) -> Netlist:
    """A design in gates, its memories as registers. Raises BcsimError where Yosys is missing."""
    with scratch_folder() as folder:
        (folder / "design.il").write_text(rtlil.convert(component, emit_src=False))
        run_yosys("\n".join(GATES), cwd=folder)
        return read_netlist(folder / "design.aag")


class Unrolled:
    """A design in its initial state, and the graph of all that it computes.

    Registers without initial values hold anything, and so does what the design leaves undefined; inputs that are not
    driven are 0.
    """

    def __init__(self, netlist: Netlist) -> None:
        self.netlist, self.graph = netlist, Graph()
        self._state = [FALSE] * len(netlist.latches)
        self._values: list[int] = []
        self._inputs = [(*_bit(name), literal >> 1) for name, literal in netlist.inputs.items()]
        self._undefined = {variable for name, _, variable in self._inputs if UNDEFINED.match(name)}
        self._outputs: dict[str, dict[int, int]] = {}
        for name, literal in netlist.outputs.items():
            base, bit = _bit(name)
            self._outputs.setdefault(base, {})[bit] = literal

    def settle(self, driven: Mapping[str, Sequence[int]]) -> None:
        """Drive inputs with literals, the lowest bit first."""
        both = self.graph.both
        values = [FALSE] * (1 + max(gate for gate, _, _ in self.netlist.gates) // 2)
        for name, bit, variable in self._inputs:
            undefined = variable in self._undefined
            values[variable] = (
                self.graph.variable() if undefined else driven[name][bit] if name in driven else FALSE
            )
        for (latch, _), state in zip(self.netlist.latches, self._state, strict=True):
            values[latch >> 1] = state
        for gate, a, b in self.netlist.gates:
            values[gate >> 1] = both(values[a >> 1] ^ a & 1, values[b >> 1] ^ b & 1)
        self._values = values

    def tick(self) -> None:
        """The clock's edge."""
        self._state = [self._values[n >> 1] ^ n & 1 for _, n in self.netlist.latches]

    def replace(self, stand_ins: Mapping[int, int]) -> None:
        """Let registers hold a literal's stand-in from this cycle on; the caller proves that they are equal."""
        both = {**stand_ins, **{a ^ 1: b ^ 1 for a, b in stand_ins.items()}}
        self._state = [both.get(literal, literal) for literal in self._state]

    def output(self, name: str) -> list[int]:
        """An output's literals in this cycle."""
        bits = self._outputs[name]
        return [self._values[bits[n] >> 1] ^ bits[n] & 1 for n in sorted(bits)]

    def constant(self, name: str) -> int:
        """An output's value in this cycle. Raises ValueError where it depends on what is left open."""
        bits = self.output(name)
        if any(bit > TRUE for bit in bits):
            raise ValueError(f"{name} depends on data")
        return sum(bit << n for n, bit in enumerate(bits))


def _bit(name: str) -> tuple[str, int]:
    match = BIT.fullmatch(name)
    assert match is not None, "any name matches"
    return match[1], int(match[2] or 0)
