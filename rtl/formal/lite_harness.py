"""The AXI4-Lite subordinate between ports that a proof drives as it likes."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect, flipped

from bcsim.rtl.bus.axi_lite import LiteSubordinate
from bcsim.rtl.common.axi import LITE_BITS, LiteSignature

__all__ = ["LiteHarness"]


class LiteHarness(wiring.Component):
    """What proofs of the subordinate have in common; each asserts what it is about.

    Parameters
    ----------
    address_bits : int

    Members
    -------
    bus : In(LiteSignature(address_bits))
        A manager that need not keep to any rule.
    read_data, read_known, write_known, hold, hold_read : In
        As in LiteSubordinate.
    """

    def __init__(self, *, address_bits: int) -> None:
        self.subordinate = LiteSubordinate(address_bits=address_bits)
        super().__init__(
            {
                "bus": In(LiteSignature(address_bits=address_bits)),
                "read_data": In(LITE_BITS),
                "read_known": In(1),
                "write_known": In(1),
                "hold": In(1),
                "hold_read": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.subordinate = subordinate = self.subordinate
        connect(m, flipped(self.bus), subordinate.bus)
        for name in ("read_data", "read_known", "write_known", "hold", "hold_read"):
            m.d.comb += getattr(subordinate, name).eq(getattr(self, name))
        return m
