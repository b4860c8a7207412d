"""Which processing elements' sums the requantisers see."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

from bcsim.rtl.checks import require_positive

__all__ = ["RoundSelector"]


class RoundSelector(wiring.Component):
    """Shows R of the M shadow registers at a time, round after round.

    Latency: 2 cycles from `restart` or `shift` to `drained`, with a register behind the multiplexers; with R = M
    there is only one round, and `drained` is `shadows`.

    Parameters
    ----------
    elements : int
        M, a multiple of `requantisers`.
    requantisers : int
        R, at least 1.
    width : int
        Bits of a shadow register.

    Members
    -------
    shadows : In(ArrayLayout(width, elements))
    restart : In(1)
        Go to round 0.
    shift : In(1)
        Go to the next round.
    drained : Out(ArrayLayout(width, requantisers))
        Shadow registers k * R to k * R + R - 1, for round k.
    """

    def __init__(self, *, elements: int, requantisers: int, width: int) -> None:
        for noun, value in (("Elements", elements), ("Requantisers", requantisers), ("Width", width)):
            require_positive(noun, value)
        if elements % requantisers:
            raise ValueError(
                f"Elements must be a multiple of requantisers ({requantisers!r}), not {elements!r}"
            )
        self.rounds, self.requantisers, self.width = elements // requantisers, requantisers, width
        super().__init__(
            {
                "shadows": In(ArrayLayout(width, elements)),
                "restart": In(1),
                "shift": In(1),
                "drained": Out(ArrayLayout(width, requantisers)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.rounds == 1:
            m.d.comb += self.drained.eq(self.shadows)
            return m
        position = Signal(range(self.rounds))
        with m.If(self.restart):
            m.d.sync += position.eq(0)
        with m.Elif(self.shift):
            m.d.sync += position.eq(position + 1)
        drained = Signal(self.requantisers * self.width, reset_less=True)
        m.d.sync += drained.eq(Cat(self.shadows).word_select(position, len(drained)))
        m.d.comb += Cat(self.drained).eq(drained)
        return m
