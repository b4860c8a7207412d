"""The terms of a processing element, and the first level of its additions."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.require import require_positive
from bcsim.rtl.datapath.lanes import PairLayout, WeightLayout, is_late, require_lanes

__all__ = ["TermSums"]


class TermSums(wiring.Component):
    """Selects and complements each pair's term, and adds neighbouring terms.

    Latency: `levels` + 1 cycles from the weights and the pairs that are not late (`is_late`); throughput: one
    digit word a cycle. A late pair's term is selected in the cycle of its addition; its weights are kept here.

    Parameters
    ----------
    lanes : int
        Even, at least 2; 2 lanes have a single term, and nothing to add to it.
    digit : int
        Bits of a lane's digit, at least 1.
    six_input_luts : bool
        How the additions are written; their results are the same. a + b as ~(~a - b) keeps the operands' order: Yosys
        puts those of a sum into an order of its own, and a carry cell takes one of them as it is. Where that is the
        late term, its selection needs LUTs of its own beside those of six inputs that select and add. Four-input LUTs
        gain nothing from it, and lose some.

    Members
    -------
    pairs : In(ArrayLayout(PairLayout(digit), lanes // 2))
        As `Lanes` has them: the late ones a cycle after the others.
    weights : In(ArrayLayout(WeightLayout(), lanes // 2))
    sums : Out(ArrayLayout(digit + 1 + levels, len(bounds)))
    """

    def __init__(self, *, lanes: int, digit: int, six_input_luts: bool = False) -> None:
        require_lanes(lanes)
        require_positive("Digit", digit)
        self.pair_count, self.digit, self.six_input_luts = lanes // 2, digit, six_input_luts
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
        terms = [self._term(m, j) for j in range(self.pair_count)]
        for i in range(len(self.bounds)):
            if self.levels:
                register = Signal(self.digit + 2, name=f"sum_0_{i}", reset_less=True)
                m.d.sync += register.eq(self._sum(*terms[2 * i : 2 * i + 2]))
            else:
                register = terms[0]
            m.d.comb += self.sums[i].eq(register)
        return m

    def _sum(self, even: Value, odd: Value | None = None) -> Value:
        if odd is None:
            return even
        if self.six_input_luts and is_late(1, self.digit):
            return ~(~Cat(even, 0) - odd)
        return even + odd

    def _term(self, m: Module, j: int) -> Value:
        """Pair j's term, in the cycle after the early pairs and the weights come in."""
        late = is_late(j, self.digit)
        weights = self.weights[j]
        if late:
            weights = Signal(WeightLayout(), name=f"weights_{j}", reset_less=True)
            m.d.sync += weights.eq(self.weights[j])
        term = Mux(weights.differ, self.pairs[j].differ, self.pairs[j].same)
        term ^= weights.sign.replicate(self.digit + 1)
        if late:
            return term
        register = Signal(self.digit + 1, name=f"term_{j}", reset_less=True)
        m.d.sync += register.eq(term)
        return register
