"""The link's way to the registers: packets of bytes as accesses of an AXI4-Lite bus."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.axi import LITE_BITS, LiteSignature
from bcsim.rtl.common.register_map import ADDRESS_BITS

__all__ = ["BusAccess"]


class BusAccess(wiring.Component):
    """Two bytes of address, the lowest first, and for a write any number of 32-bit words, all for that address.

    Bit 0 of the address says that the access is a read; what it read stays until the next access. The last byte of
    an access is taken when the bus has answered.

    Members
    -------
    data : In(8)
    last : In(1)
        An access's last byte.
    valid, ready : In(1), Out(1)
    bus : Out(LiteSignature(16))
    read_data : Out(32)
    refused : Out(1)
        The latest access was, or a word of it.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "data": In(8),
                "last": In(1),
                "valid": In(1),
                "ready": Out(1),
                "bus": Out(LiteSignature(address_bits=ADDRESS_BITS)),
                "read_data": Out(LITE_BITS),
                "refused": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, address, word = self.bus, Signal(ADDRESS_BITS), Signal(LITE_BITS)
        left, taken = Signal(range(LITE_BITS // 8)), Signal()
        m.d.comb += [
            taken.eq(self.valid & self.ready),
            bus.awaddr.eq(address),
            bus.araddr.eq(Cat(0, address[1:])),
            bus.wdata.eq(word),
            bus.wstrb.eq(~0),
        ]
        with m.FSM():
            with m.State("Address-Low"):
                m.d.comb += self.ready.eq(1)
                with m.If(taken):
                    m.d.sync += [address[:8].eq(self.data), self.refused.eq(0), left.eq(LITE_BITS // 8 - 1)]
                    m.next = "Address-High"
            with m.State("Address-High"):
                m.d.comb += self.ready.eq(~address[0])
                with m.If(self.valid):
                    m.d.sync += address[8:].eq(self.data)
                    m.next = "Read"
                    with m.If(~address[0]):
                        m.next = "Collect"
                        self._refuse_end(m)
            with m.State("Collect"):
                m.d.comb += self.ready.eq(left != 0)
                with m.If(self.valid):
                    m.d.sync += word.eq(Cat(word[8:], self.data))
                with m.If(taken):
                    m.d.sync += left.eq(left - 1)
                    self._refuse_end(m)
                with m.Elif(self.valid):
                    m.next = "Write"
            self._access(m, left)
        return m

    def _refuse_end(self, m: Module) -> None:
        """An access that ends before its word is whole."""
        with m.If(self.last):
            m.d.sync += self.refused.eq(1)
            m.next = "Address-Low"

    def _access(self, m: Module, left: Signal) -> None:
        """The states of the bus; bytes are taken once it has answered."""
        bus = self.bus
        addressed, written = Signal(), Signal()
        with m.State("Write"):
            m.d.comb += [bus.awvalid.eq(~addressed), bus.wvalid.eq(~written), bus.bready.eq(1)]
            m.d.sync += [addressed.eq(addressed | bus.awready), written.eq(written | bus.wready)]
            with m.If(bus.bvalid):
                m.d.comb += self.ready.eq(1)
                m.d.sync += [
                    addressed.eq(0),
                    written.eq(0),
                    left.eq(LITE_BITS // 8 - 1),
                    self.refused.eq(self.refused | bus.bresp[1]),
                ]
                m.next = "Collect"
                with m.If(self.last):
                    m.next = "Address-Low"
        with m.State("Read"):
            m.d.comb += bus.arvalid.eq(1)
            with m.If(bus.arready):
                m.next = "Await"
        with m.State("Await"):
            m.d.comb += bus.rready.eq(1)
            with m.If(bus.rvalid):
                m.d.comb += self.ready.eq(1)
                m.d.sync += [self.read_data.eq(bus.rdata), self.refused.eq(bus.rresp[1])]
                m.next = "Address-Low"
