"""Bytes on a serial line: one start bit, eight data bits with the lowest first, one stop bit."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.require import require_positive

__all__ = ["LEAST_DIVISOR", "Receiver", "Transmitter"]

LEAST_DIVISOR = 4
"""Cycles of a bit below which a bit's middle is not told from its edges."""


def _require_divisor(divisor: object) -> None:
    require_positive("Divisor", divisor)
    if isinstance(divisor, int) and divisor < LEAST_DIVISOR:
        raise ValueError(f"Divisor must be at least {LEAST_DIVISOR}, not {divisor!r}")


class Receiver(wiring.Component):
    """Bytes from the line; one whose start or stop bit is not there is dropped.

    Every bit is sampled in its middle, give or take a cycle. Latency: 9.5 bits and 3 cycles from the start bit's edge
    to `valid`. The sender's clock may be off by (1/2 - 1 / divisor) / 9.5.

    Parameters
    ----------
    divisor : int
        Cycles of a bit, at least 4.

    Members
    -------
    rx : In(1)
        From the pin; synchronised here.
    data : Out(8)
    valid : Out(1)
        `data` is a byte, in this cycle only.
    """

    def __init__(self, *, divisor: int) -> None:
        _require_divisor(divisor)
        self.divisor = divisor
        super().__init__({"rx": In(1, init=1), "data": Out(8), "valid": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line, busy, timer = Signal(init=1), Signal(), Signal(range(self.divisor))
        # The one that goes in on top arrives at the bottom behind the start bit and eight data bits.
        bits = Signal(10)
        m.submodules.synchroniser = FFSynchronizer(self.rx, line, init=1)
        m.d.comb += [
            self.data.eq(bits[2:]),
            self.valid.eq(busy & (timer == 0) & bits[0] & line & ~bits[1]),
        ]
        m.d.sync += timer.eq(timer - 1)
        with m.If(~busy):
            m.d.sync += [timer.eq((self.divisor - 1) // 2), bits.eq(1 << 9), busy.eq(~line)]
        with m.Elif(timer == 0):
            m.d.sync += [timer.eq(self.divisor - 1), bits.eq(Cat(bits[1:], line)), busy.eq(~bits[0])]
        return m


class Transmitter(wiring.Component):
    """Bytes to the line. Throughput: a byte every 10 bits.

    Parameters
    ----------
    divisor : int
        Cycles of a bit, at least 4.

    Members
    -------
    data : In(8)
    valid : In(1)
    ready : Out(1)
        Where both are high, `data` is taken; its start bit begins in the next cycle.
    tx : Out(1)
    """

    def __init__(self, *, divisor: int) -> None:
        _require_divisor(divisor)
        self.divisor = divisor
        super().__init__({"data": In(8), "valid": In(1), "ready": Out(1), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        timer = Signal(range(self.divisor))
        # From the lowest bit: what is on the line, what follows, and the stop bit on top; it alone is left at the end.
        bits = Signal(10, init=1)
        resting = Signal()
        m.d.comb += [
            resting.eq(bits == 1),
            self.ready.eq(resting & (timer == 0)),
            self.tx.eq(bits[0]),
        ]
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(~resting):
            m.d.sync += [bits.eq(bits >> 1), timer.eq(self.divisor - 1)]
        with m.Elif(self.valid):
            m.d.sync += [bits.eq(Cat(0, self.data, 1)), timer.eq(self.divisor - 1)]
        return m
