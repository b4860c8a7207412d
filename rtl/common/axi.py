"""The buses that users connect to: AXI4-Stream and AXI4-Lite."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.require import require_positive

__all__ = ["LITE_BITS", "LiteSignature", "StreamSignature"]

LITE_BITS = 32
"""Data width of the AXI4-Lite bus."""


class StreamSignature(wiring.Signature):
    """AXI4-Stream, from the transmitter's side, named as in the standard (Arm IHI 0051).

    Parameters
    ----------
    size : int
        Bytes of a word.
    keep : bool
        Whether bytes can be marked as null.

    Members
    -------
    tdata : Out(8 * size)
    tkeep : Out(size)
        Only with `keep`.
    tlast, tvalid : Out(1)
    tready : In(1)
    """

    def __init__(self, *, size: int, keep: bool = False) -> None:
        require_positive("Size", size)
        members = {"tdata": Out(8 * size), "tlast": Out(1), "tvalid": Out(1), "tready": In(1)}
        super().__init__(members | ({"tkeep": Out(size)} if keep else {}))


class LiteSignature(wiring.Signature):
    """AXI4-Lite of 32 data bits, from the manager's side, named as in the standard (Arm IHI 0022).

    Parameters
    ----------
    address_bits : int
        Width of the byte addresses.
    """

    def __init__(self, *, address_bits: int) -> None:
        require_positive("Address bits", address_bits)
        super().__init__(
            {
                "awaddr": Out(address_bits),
                "awprot": Out(3),
                "awvalid": Out(1),
                "awready": In(1),
                "wdata": Out(LITE_BITS),
                "wstrb": Out(LITE_BITS // 8),
                "wvalid": Out(1),
                "wready": In(1),
                "bresp": In(2),
                "bvalid": In(1),
                "bready": Out(1),
                "araddr": Out(address_bits),
                "arprot": Out(3),
                "arvalid": Out(1),
                "arready": In(1),
                "rdata": In(LITE_BITS),
                "rresp": In(2),
                "rvalid": In(1),
                "rready": Out(1),
            }
        )
