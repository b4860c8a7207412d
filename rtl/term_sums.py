"""The terms of a processing element, and the first level of its additions."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, View
from amaranth.lib.wiring import In, Out

from bcsim.rtl.lanes import PairLayout, WeightLayout

__all__ = ["TermSums"]


class TermSums(wiring.Component):
    """Selects and complements each pair's term, and adds the odd pairs' terms to the even ones'.

    An odd pair's term is selected in the cycle of its addition, so that six-input LUTs select and add at once;
    its digits come in a cycle after the even pairs', and its weights are kept back here.

    Latency: `levels` + 1 cycles from the even pairs and all weights; throughput: one digit word a cycle.

    Parameters
    ----------
    lanes : int
        Even, at least 2; 2 lanes have a single term, and nothing to add to it.
    digit : int
        Bits of a lane's digit, at least 1.

    Members
    -------
    pairs : In(ArrayLayout(PairLayout(digit), lanes // 2))
        As `Lanes` has them: odd pairs a cycle later.
    weights : In(ArrayLayout(WeightLayout(), lanes // 2))
    sums : Out(ArrayLayout(digit + 1 + levels, len(bounds)))
    """

    def __init__(self, *, lanes: int, digit: int) -> None:
        if lanes < 2 or lanes % 2:
            raise ValueError(f"Lanes must be an even number of at least 2, not {lanes!r}")
        if digit < 1:
            raise ValueError(f"Digit must be at least 1 bit, not {digit!r}")
        self.pair_count, self.digit = lanes // 2, digit
        super().__init__(
            {
                "pairs": In(ArrayLayout(PairLayout(digit), self.pair_count)),
                "weights": In(ArrayLayout(WeightLayout(), self.pair_count)),
                "sums": Out(ArrayLayout(digit + 1 + self.levels, len(self.bounds))),
            }
        )

    @property
    def levels(self) -> int:
        """Levels of addition: 0 for a single pair, else 1."""
        return int(self.pair_count > 1)

    @property
    def bounds(self) -> list[int]:
        """The greatest value of each sum."""
        greatest = (2 << self.digit) - 1
        return [greatest * min(2, self.pair_count - j) for j in range(0, self.pair_count, 2)]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for j in range(0, self.pair_count, 2):
            term = Signal(self.digit + 1, name=f"term_{j}", reset_less=True)
            m.d.sync += term.eq(self._term(j, self.weights[j]))
            m.d.comb += self.sums[j // 2].eq(self._add(m, j, term) if self.levels else term)
        return m

    def _term(self, j: int, weights: View[WeightLayout]) -> Value:
        chosen = Mux(weights.differ, self.pairs[j].differ, self.pairs[j].same)
        return chosen ^ weights.sign.replicate(self.digit + 1)

    def _add(self, m: Module, j: int, term: Signal) -> Signal:
        """The register that adds the odd pair's term, where there is one, to the even pair's."""
        register = Signal(self.digit + 2, name=f"sum_0_{j // 2}", reset_less=True)
        if j + 1 < self.pair_count:
            weights = Signal(WeightLayout(), name=f"weights_{j + 1}", reset_less=True)
            m.d.sync += weights.eq(self.weights[j + 1])
            m.d.sync += register.eq(term + self._term(j + 1, weights))
        else:
            m.d.sync += register.eq(term)
        return register
