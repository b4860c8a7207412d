"""The AXI4-Lite subordinate, held to the bus' rules."""

from __future__ import annotations

from amaranth.hdl import Assert, Module, Mux, Signal, Value

from bcsim.rtl.bus.axi_lite import OKAY, SLAVE_ERROR
from bcsim.rtl.formal.lite_harness import LiteHarness
from bcsim.rtl.formal.stream import remain_until_accepted

__all__ = ["LiteProof"]


class LiteProof(LiteHarness):
    """Asserts one response for each request, stable until it is taken, and one strobe for each access."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        self._writes(m)
        self._reads(m)
        return m

    def _writes(self, m: Module) -> None:
        bus, subordinate = self.subordinate.bus, self.subordinate
        taken, whole = bus.awvalid & bus.awready, bus.wstrb.all() & (bus.awaddr[:2] == 0)
        m.d.comb += [
            Assert(taken == (bus.wvalid & bus.wready), "address and data go together"),
            Assert(subordinate.write == (taken & whole), "one strobe for each whole write"),
            Assert(~(taken & self.hold), "no write while writes are held"),
        ]
        answer = Mux(whole & self.write_known, OKAY, SLAVE_ERROR)
        self._answered(m, taken, bus.bvalid, bus.bready, bus.bresp, answer)

    def _reads(self, m: Module) -> None:
        bus, subordinate = self.subordinate.bus, self.subordinate
        taken = bus.arvalid & bus.arready
        m.d.comb += [
            Assert(subordinate.read == taken, "one strobe for each read"),
            Assert(~(taken & self.hold_read), "no read while reads are held"),
        ]
        answer = Mux(self.read_known & (bus.araddr[:2] == 0), OKAY, SLAVE_ERROR)
        self._answered(m, taken, bus.rvalid, bus.rready, bus.rresp, answer)
        self._answered(m, taken, bus.rvalid, bus.rready, bus.rdata, self.read_data)

    def _answered(
        self, m: Module, taken: Value, valid: Value, ready: Value, payload: Value, answer: Value
    ) -> None:
        """A response is due from the cycle behind its request until it is accepted, and there is no other."""
        due, expected = Signal(name="due"), Signal.like(payload, name="expected")
        with m.If(taken):
            m.d.sync += [due.eq(1), expected.eq(answer)]
            m.d.comb += Assert(~due | (valid & ready), "no request before the last response is accepted")
        with m.Elif(ready):
            m.d.sync += due.eq(0)
        m.d.comb += Assert(valid == due, "one response for each request")
        with m.If(valid):
            m.d.comb += Assert(payload == expected, "the response to this request")
        remain_until_accepted(m, valid, ready, payload)
