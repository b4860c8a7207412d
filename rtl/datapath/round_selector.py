"""Which processing elements' sums the requantisers see."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.require import require_positive

__all__ = ["RoundSelector"]


class RoundSelector(wiring.Component):
    """Shows R of the M shadow registers at a time, round after round.

    Latency: 2 cycles from `restart` or `shift` to `drained`, with a register behind the multiplexers. With R = M
    there is only one round, and the register remains: the next tile's sum may come right behind.

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
        Go to round 0; goes before `shift`.
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
        drained = Signal(self.requantisers * self.width, reset_less=True)
        m.d.comb += Cat(self.drained).eq(drained)
        if self.rounds == 1:
            m.d.sync += drained.eq(Cat(self.shadows))
            return m
        position = Signal(range(self.rounds))
        with m.If(self.restart):
            m.d.sync += position.eq(0)
        with m.Elif(self.shift):
            m.d.sync += position.eq(position + 1)
        # Not word_select: its index becomes a multiplication.
        rounds = Array(
            Cat(self.shadows[k * self.requantisers + r] for r in range(self.requantisers))
            for k in range(self.rounds)
        )
        m.d.sync += drained.eq(rounds[position])
        return m
