"""The rules of AXI4-Lite (Arm IHI 0022) that a subordinate can break, one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import SimpleNamespace

from amaranth.hdl import Assert, Cat, Module, Signal, Value
from amaranth.lib.wiring import PureInterface

from bcsim.rtl.bus.axi_lite import OKAY, SLAVE_ERROR
from bcsim.rtl.common.axi import LITE_BITS
from bcsim.rtl.formal.lite_harness import LiteHarness
from bcsim.rtl.formal.stream import follows, low_after_reset, unchanged

__all__ = ["LITE_RULES", "LiteRules"]

DECODE_ERROR = 0b11
LITE_RULES: Mapping[str, str] = {
    "BVALID after reset": "BVALID is low behind a reset, until a write is accepted (A3.1.2)",
    "RVALID after reset": "RVALID is low behind a reset, until a read is accepted (A3.1.2)",
    "BVALID stays": "BVALID stays high until BREADY (A3.2.1)",
    "RVALID stays": "RVALID stays high until RREADY (A3.2.1)",
    "BRESP stable": "BRESP stays as it is until BREADY (A3.2.1)",
    "RRESP stable": "RRESP stays as it is until RREADY (A3.2.1)",
    "RDATA stable": "RDATA stays as it is until RREADY (A3.2.1)",
    "BVALID free": "BVALID does not wait for BREADY (A3.2.1)",
    "RVALID free": "RVALID does not wait for RREADY (A3.2.1)",
    "B after AW": "a response follows the acceptance of its address (A3.3.1)",
    "B after W": "a response follows the acceptance of its data (A3.3.1)",
    "R after AR": "read data follow the acceptance of their address (A3.3.1)",
    "B for each AW": "every accepted address of a write is answered once, in order (A3.3.1)",
    "B for each W": "all accepted data of a write are answered once, in order (A3.3.1)",
    "R for each AR": "every accepted read is answered once, in order (A3.3.1)",
    "AW and W accepted": "address and data that are offered together are accepted (A3.3)",
    "AR accepted": "a read that is offered is accepted (A3.3)",
    "BRESP of AXI4-Lite": "there are no exclusive accesses: BRESP is not EXOKAY (B1.1.1)",
    "RRESP of AXI4-Lite": "there are no exclusive accesses: RRESP is not EXOKAY (B1.1.1)",
    "WSTRB": "a byte whose strobe is low is not written: here, no word with such a byte (B1.1.1)",
    "write of its address": "what is written goes to the address that came with it (A3.3)",
    "read of its address": "read data are of the address that was accepted (A3.3)",
}
"""By name: what each asks, and the section of the specification (issue H)."""


class LiteRules(LiteHarness):
    """Asserts each of the rules of a subordinate, for any manager that offers what it likes.

    Parameters
    ----------
    address_bits : int
    rules : collection of str
        Those that are asserted, of LITE_RULES.
    spoil : function of the module and a namespace of the subordinate's signals as they are seen
        Called behind their connection, which what it adds overrides: for subordinates that are broken on purpose.
    """

    def __init__(
        self,
        *,
        address_bits: int = 4,
        rules: Collection[str] = tuple(LITE_RULES),
        spoil: Callable[[Module, SimpleNamespace], None] | None = None,
    ) -> None:
        self.rules, self.spoil = tuple(rules), spoil
        super().__init__(address_bits=address_bits)

    def elaborate(self, platform: object) -> Module:
        m, subordinate = super().elaborate(platform), self.subordinate
        seen = SimpleNamespace()
        for name, signal in {**_members(subordinate.bus), **_members(subordinate)}.items():
            setattr(seen, name, Signal.like(signal, name=f"seen_{name}"))
            m.d.comb += getattr(seen, name).eq(signal)
        if self.spoil:
            self.spoil(m, seen)
        kept = self._writes(m, seen) | self._reads(m, seen)
        assert set(kept) == set(LITE_RULES)
        m.d.comb += [Assert(kept[rule], rule) for rule in self.rules]
        return m

    def _writes(self, m: Module, bus: SimpleNamespace) -> dict[str, Value]:
        address, data = bus.awvalid & bus.awready, bus.wvalid & bus.wready
        answered = bus.bvalid & bus.bready
        addresses, words = _owed(m, address, answered), _owed(m, data, answered)
        taken = Signal(LITE_BITS + len(bus.awaddr) - 2)
        m.d.comb += taken.eq(Cat(bus.wdata, bus.awaddr[2:]))
        written = Cat(bus.write_data, bus.write_address)
        return {
            "BVALID after reset": low_after_reset(m, bus.bvalid),
            "BVALID stays": unchanged(m, bus.bvalid, bus.bready, bus.bvalid),
            "BRESP stable": unchanged(m, bus.bvalid, bus.bready, bus.bresp),
            "BVALID free": follows(m, addresses.any() & words.any(), bus.bvalid),
            "B after AW": ~bus.bvalid | addresses.any(),
            "B after W": ~bus.bvalid | words.any(),
            "B for each AW": follows(m, addresses.any(), answered | ~bus.bready) & (addresses < 2),
            "B for each W": follows(m, words.any(), answered | ~bus.bready) & (words < 2),
            "AW and W accepted": follows(
                m, bus.awvalid & bus.wvalid & bus.bready & ~self.hold, address & data
            ),
            "BRESP of AXI4-Lite": ~bus.bvalid | _lite_response(bus.bresp),
            "WSTRB": ~bus.write | (data & bus.wstrb.all()),
            "write of its address": ~bus.write | (address & data & (written == taken)),
        }

    def _reads(self, m: Module, bus: SimpleNamespace) -> dict[str, Value]:
        taken, answered = bus.arvalid & bus.arready, bus.rvalid & bus.rready
        reads = _owed(m, taken, answered)
        expected = Signal(LITE_BITS)
        with m.If(taken):
            m.d.sync += expected.eq(self.read_data)
        asked = ~bus.read | (taken & (bus.read_address == bus.araddr[2:]))
        return {
            "RVALID after reset": low_after_reset(m, bus.rvalid),
            "RVALID stays": unchanged(m, bus.rvalid, bus.rready, bus.rvalid),
            "RRESP stable": unchanged(m, bus.rvalid, bus.rready, bus.rresp),
            "RDATA stable": unchanged(m, bus.rvalid, bus.rready, bus.rdata),
            "RVALID free": follows(m, reads.any(), bus.rvalid),
            "R after AR": ~bus.rvalid | reads.any(),
            "R for each AR": follows(m, reads.any(), answered | ~bus.rready) & (reads < 2),
            "AR accepted": follows(m, bus.arvalid & bus.rready & ~self.hold_read, taken),
            "RRESP of AXI4-Lite": ~bus.rvalid | _lite_response(bus.rresp),
            "read of its address": asked & (~bus.rvalid | (bus.rdata == expected)),
        }


def _members(interface: PureInterface) -> dict[str, Signal]:
    """The signals of an interface, without those of interfaces in it."""
    names = interface.signature.members
    return {name: getattr(interface, name) for name in names if names[name].is_port}


def _owed(m: Module, accepted: Value, answered: Value) -> Signal:
    """How many accepted transfers have no answer yet; more than three are not told from three."""
    owed = Signal(2, name="owed")
    with m.If(accepted & ~answered & (owed != 3)):
        m.d.sync += owed.eq(owed + 1)
    with m.Elif(answered & ~accepted & owed.any()):
        m.d.sync += owed.eq(owed - 1)
    return owed


def _lite_response(response: Value) -> Value:
    return (response == OKAY) | (response == SLAVE_ERROR) | (response == DECODE_ERROR)
