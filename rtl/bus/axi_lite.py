"""The AXI4-Lite subordinate: one register access at a time."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.axi import LITE_BITS, LiteSignature
from bcsim.rtl.common.require import require_positive

__all__ = ["LiteSubordinate"]

OKAY, SLAVE_ERROR = 0b00, 0b10


class LiteSubordinate(wiring.Component):
    """Turns bus transfers into strobes; responses come in the cycle behind.

    Throughput: a write and a read every 2 cycles, later where they are held. A write that does not cover all
    32 bits is refused, and so is an address between words.

    Parameters
    ----------
    address_bits : int
        Width of the byte addresses.

    Members
    -------
    bus : In(LiteSignature(address_bits))
    write, read : Out(1)
        An access in this cycle.
    write_address, read_address : Out(address_bits - 2)
        Of the 32-bit word.
    write_data : Out(32)
    read_data : In(32)
        In the cycle of `read`.
    write_known, read_known : In(1)
        There is such a register.
    hold, hold_read : In(1)
        No write, or no read, is taken in this cycle.
    offered : Out(1)
        There is a write, which is taken unless it is held.
    refused : Out(1)
        An access in this cycle is answered with an error.
    """

    def __init__(self, *, address_bits: int) -> None:
        require_positive("Address bits", address_bits)
        super().__init__(
            {
                "bus": In(LiteSignature(address_bits=address_bits)),
                "write": Out(1),
                "write_address": Out(address_bits - 2),
                "write_data": Out(LITE_BITS),
                "write_known": In(1),
                "read": Out(1),
                "read_address": Out(address_bits - 2),
                "read_data": In(LITE_BITS),
                "read_known": In(1),
                "hold": In(1),
                "hold_read": In(1),
                "offered": Out(1),
                "refused": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus = self.bus
        valid, taken, fetched, whole, known = (
            Signal(name=name) for name in ("valid", "taken", "fetched", "whole", "known")
        )
        # Without a reset, which would keep a word's part that is always 0 from the flip-flops' own.
        data = Signal(LITE_BITS, reset_less=True)
        m.d.comb += [
            valid.eq(bus.awvalid & bus.wvalid & ~bus.bvalid),
            taken.eq(valid & ~self.hold),
            self.offered.eq(valid & whole),
            fetched.eq(bus.arvalid & bus.arready),
            whole.eq(bus.wstrb.all() & (bus.awaddr[:2] == 0)),
            known.eq(self.read_known & (bus.araddr[:2] == 0)),
            bus.awready.eq(taken),
            bus.wready.eq(taken),
            bus.arready.eq(~bus.rvalid & ~self.hold_read),
            self.write.eq(taken & whole),
            self.write_address.eq(bus.awaddr[2:]),
            self.write_data.eq(bus.wdata),
            self.read.eq(fetched),
            self.read_address.eq(bus.araddr[2:]),
            bus.rdata.eq(data),
            self.refused.eq((taken & ~(whole & self.write_known)) | (fetched & ~known)),
        ]
        with m.If(taken):
            m.d.sync += [bus.bvalid.eq(1), bus.bresp.eq(Mux(whole & self.write_known, OKAY, SLAVE_ERROR))]
        with m.Elif(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(fetched):
            m.d.sync += [
                bus.rvalid.eq(1),
                data.eq(self.read_data),
                bus.rresp.eq(Mux(known, OKAY, SLAVE_ERROR)),
            ]
        with m.Elif(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        return m
