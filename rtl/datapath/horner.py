"""The digits of a chunk, gathered by Horner's rule."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.step import StepLayout

__all__ = ["Horner"]


class Horner(wiring.Component):
    """The total of a chunk's digits: t = (t << digit) + term from t = 0.

    Latency: 1 cycle; throughput: one digit a cycle, chunks back to back. The partial total returns to 0 behind
    a chunk's last digit by its synchronous reset, as the accumulator does.

    Parameters
    ----------
    digit : int
        Bits of a digit.
    digits : int
        The most digits of a chunk, at least 2.
    greatest : int
        The greatest term.
    reuse : int
        As in StepLayout.

    Members
    -------
    term : In(range(greatest + 1))
    step : In(StepLayout(reuse))
        The flags of the step that `term` is the sum of.
    total : Out(total_width)
        A chunk's total the cycle after its last digit.

    Attributes
    ----------
    partial : Signal
        The total of the chunk's digits so far.
    """

    def __init__(self, *, digit: int, digits: int, greatest: int, reuse: int = 1) -> None:
        if digits < 2:
            raise ValueError(f"Digits must be at least 2, not {digits!r}")
        self.digit, self.digits, self.greatest = digit, digits, greatest
        self.partial = Signal(range(self._greatest_total(digits - 1) + 1), reset_less=True)
        super().__init__(
            {
                "term": In(range(greatest + 1)),
                "step": In(StepLayout(reuse)),
                "total": Out(self.total_width),
            }
        )

    def _greatest_total(self, digits: int) -> int:
        return sum(self.greatest << self.digit * position for position in range(digits))

    @property
    def total_width(self) -> int:
        """Bits of the greatest total."""
        return self._greatest_total(self.digits).bit_length()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total = Signal(self.total_width, reset_less=True)
        # The lowest bits meet zeros: kept out of the adder.
        summed = Cat(self.term[: self.digit], self.partial + self.term[self.digit :])
        with m.If((self.step.valid & self.step.last_digit) | ResetSignal()):
            m.d.sync += self.partial.eq(0)
        with m.Elif(self.step.valid):
            m.d.sync += self.partial.eq(summed)
        m.d.sync += total.eq(summed)
        m.d.comb += self.total.eq(total)
        return m
