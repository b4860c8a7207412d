"""Padding: what the lanes see of a step outside of its tensor."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.machine.parameters import Machine
from bcsim.rtl.common.require import require_machine

__all__ = ["Padding"]


class Padding(wiring.Component):
    """Replaces the words that a step outside of its tensor did not read.

    Latency: 2 cycles from `pad` and `digit` to `padded`, 0 from `words`.

    Parameters
    ----------
    machine : Machine

    Members
    -------
    pad : In(1)
    digit : In(machine.digit)
        For every lane.
    words : In(machine.lanes * machine.digit)
        The activation memory's output register.
    padded : Out(machine.lanes * machine.digit)
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        word = machine.lanes * machine.digit
        super().__init__({"pad": In(1), "digit": In(machine.digit), "words": In(word), "padded": Out(word)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pads, digits = [self.pad], [self.digit]
        for cycle in (1, 2):
            pads.append(Signal(name=f"pad_{cycle}"))
            digits.append(Signal(self.machine.digit, name=f"digit_{cycle}"))
            m.d.sync += [pads[cycle].eq(pads[cycle - 1]), digits[cycle].eq(digits[cycle - 1])]
        m.d.comb += self.padded.eq(Mux(pads[-1], digits[-1].replicate(self.machine.lanes), self.words))
        return m
