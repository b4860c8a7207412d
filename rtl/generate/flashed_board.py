"""A board that is none, with a flash: an accelerator behind its link whose weights a flash in Verilog holds."""

from __future__ import annotations

from amaranth.hdl import Instance, Module, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from bcsim.rtl.link.flash_reader import FlashReader
from bcsim.rtl.link.linked import LinkedAccelerator

__all__ = ["FlashedBoard"]


class FlashedBoard(wiring.Component):
    """For simulations: beside what is in it needs rtl/bench/flash_model.v, and flash.mem.

    Parameters
    ----------
    linked : LinkedAccelerator
        With a weight stream.
    reader : FlashReader
    size : int
        Bytes of the flash, from the reader's address on.

    Members
    -------
    rx, tx : In(1), Out(1)
    """

    def __init__(self, linked: LinkedAccelerator, reader: FlashReader, *, size: int) -> None:
        self._linked, self._reader, self.size = linked, reader, size
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.linked = linked = self._linked
        reader = self._reader
        m.submodules.flash_reader = ResetInserter(linked.restart)(reader)
        connect(m, reader.stream, linked.weights)
        m.submodules.flash = Instance(
            "flash_model",
            p_BEGIN=reader.begin,
            p_BYTES=self.size,
            i_select=reader.select,
            i_clock=reader.clock,
            i_command=reader.command,
            o_data=reader.data,
        )
        m.d.comb += [linked.rx.eq(self.rx), self.tx.eq(linked.tx)]
        return m
