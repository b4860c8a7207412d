"""The link on a serial line."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from bcsim.rtl.link.link import Link
from bcsim.rtl.link.uart import Receiver, Transmitter

__all__ = ["SerialLink"]

LINE = ("received", "receive", "transmitted", "transmit", "ready")


class SerialLink(wiring.Component):
    """A link whose bytes come and go on two pins. Throughput: 10 * divisor cycles a byte, in both directions at once.

    Parameters
    ----------
    link : Link
    divisor : int
        Cycles of a bit, at least 4.

    Members
    -------
    rx, tx : In(1), Out(1)
    images, results, bus, restart, running, damaged
        As in Link.
    """

    def __init__(self, link: Link, *, divisor: int) -> None:
        self.link = link
        self._receiver, self._transmitter = Receiver(divisor=divisor), Transmitter(divisor=divisor)
        behind = {name: member for name, member in link.signature.members.items() if name not in LINE}
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), **behind})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.receiver, m.submodules.transmitter = receiver, transmitter = (
            self._receiver,
            self._transmitter,
        )
        m.submodules.link = link = self.link
        m.d.comb += [
            receiver.rx.eq(self.rx),
            link.received.eq(receiver.data),
            link.receive.eq(receiver.valid),
            self.tx.eq(transmitter.tx),
            transmitter.data.eq(link.transmitted),
            transmitter.valid.eq(link.transmit),
            link.ready.eq(transmitter.ready),
            *(getattr(self, name).eq(getattr(link, name)) for name in ("restart", "running", "damaged")),
        ]
        for name in ("images", "results", "bus"):
            if name in link.signature.members:
                connect(m, flipped(getattr(self, name)), getattr(link, name))
        return m
