"""Reading the layers' records in turn, one ahead."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.machine.widths import address_bits
from bcsim.rtl.common.require import require_positive

__all__ = ["RecordReader"]


class RecordReader(wiring.Component):
    """Addresses of a program memory, so that the next layer's record waits in its output register.

    Latency: 2 cycles from `take` to the next record, and from reset to the first.

    Parameters
    ----------
    layers : int
        Depth of the program memory.

    Members
    -------
    take : In(1)
        The record is used at the end of this cycle; at most every second cycle.
    last : In(1)
        The record's own flag: the next one is record 0.
    address : Out(address_bits(layers))
    ready : Out(1)
        The first record has arrived.
    """

    def __init__(self, *, layers: int) -> None:
        require_positive("Layers", layers)
        super().__init__(
            {"take": In(1), "last": In(1), "address": Out(address_bits(layers)), "ready": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        index = Signal.like(self.address)
        fetched = Signal()
        m.d.comb += self.address.eq(Mux(self.take, Mux(self.last, 0, index + 1), index))
        m.d.sync += [index.eq(self.address), fetched.eq(1), self.ready.eq(fetched)]
        return m
