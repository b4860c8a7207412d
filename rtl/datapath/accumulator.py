"""A processing element's accumulator, and the shadow register that drains it while the next tile runs."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.require import require_positive
from bcsim.rtl.common.step import StepLayout

__all__ = ["Accumulator", "doubled"]


def doubled(before: Value, step: View[StepLayout], doubling: bool) -> Value:
    """What a chunk's total is added to: twice the sum so far where a lower weight plane begins, if that is obeyed."""
    return Mux(step.double, before << 1, before) if doubling else before


class Accumulator(wiring.Component):
    """The sum of a tile's chunk totals, modulo 2**width, handed to a shadow register.

    Latency: the cycle after the tile's last total, `shadow` holds the tile's sum. The accumulator itself returns
    to 0 there, by its synchronous reset: a multiplexer before its adder would cost `width` LUTs and the carry
    chain's time. Throughput: one total a cycle, tiles back to back.

    Parameters
    ----------
    total_width : int
        Bits of a chunk's total.
    width : int
        Bits of the accumulator.
    doubling : bool
        Whether `step.double` is obeyed.

    Members
    -------
    total : In(total_width)
        A chunk's total, unsigned.
    step : In(StepLayout())
        The flags of the step that completed `total`.
    shadow : Out(width)
        The last tile's sum.

    Attributes
    ----------
    accumulator : Signal(width)
        The sum so far.
    """

    def __init__(self, *, total_width: int, width: int, doubling: bool) -> None:
        require_positive("Total width", total_width)
        require_positive("Width", width)
        self.doubling = doubling
        self.accumulator = Signal(width, reset_less=True)
        self._shadow = Signal(width, reset_less=True, name="shadow")
        super().__init__(
            {
                "total": In(total_width),
                "step": In(StepLayout()),
                "shadow": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        summed = Signal.like(self.accumulator, name="summed")
        before = doubled(self.accumulator, self.step, self.doubling)
        m.d.comb += [summed.eq(before + self.total), self.shadow.eq(self._shadow)]

        complete = self.step.valid & self.step.last_digit
        finished = complete & self.step.last
        # One clear for both causes: flip-flops have one, and the other would become a LUT per bit.
        with m.If(finished | ResetSignal()):
            m.d.sync += self.accumulator.eq(0)
        with m.Elif(complete):
            m.d.sync += self.accumulator.eq(summed)
        with m.If(finished):
            m.d.sync += self._shadow.eq(summed)
        return m
