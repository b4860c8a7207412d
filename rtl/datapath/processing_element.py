"""A processing element: one output's additions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.require import require_positive
from bcsim.rtl.common.step import StepLayout, accumulator_bits
from bcsim.rtl.datapath.accumulator import Accumulator
from bcsim.rtl.datapath.adder_tree import AdderTree
from bcsim.rtl.datapath.horner import Horner
from bcsim.rtl.datapath.lanes import PairLayout, WeightLayout, term_sum
from bcsim.rtl.datapath.strip_accumulators import StripAccumulators
from bcsim.rtl.datapath.term_sums import TermSums

__all__ = ["ProcessingElement", "chunk_total", "tile_sum"]


def chunk_total(words: Iterable[int], weights: int, *, lanes: int, digit: int) -> int:
    """A chunk's total t: Horner's rule over its digit words, the most significant first."""
    total = 0
    for word in words:
        total = (total << digit) + term_sum(word, weights, lanes=lanes, digit=digit)
    return total


def tile_sum(chunks: Iterable[tuple[Sequence[int], int, bool]], *, lanes: int, digit: int, width: int) -> int:
    """A tile's accumulator, modulo 2**width, from its chunks: digit words, weights, whether it doubles before."""
    accumulator = 0
    for words, weights, double in chunks:
        accumulator = (accumulator << double) + chunk_total(words, weights, lanes=lanes, digit=digit)
    return accumulator & ((1 << width) - 1)


class ProcessingElement(wiring.Component):
    """One output of a tile: selects each pair's term, adds them up, accumulates.

    Latency: `levels` + 1 + `horner` cycles from `weights` to the total that the accumulator adds,
    1 more to `shadow`. Throughput: one digit of `lanes` lanes a cycle.

    Parameters
    ----------
    lanes : int
        Even, at least 2.
    digit : int
        Bits of a lane's digit.
    digits : int
        The most digits of a value; 1 leaves the Horner stage out.
    width : int
        Bits of the accumulator.
    doubling : bool
        Whether the accumulator can double between weight planes.
    reuse : int
        Positions of a strip, each of which has accumulators of its own.
    drains : int
        Accumulators shown at once.
    six_input_luts : bool
        As in TermSums.

    Members
    -------
    pairs : In(ArrayLayout(PairLayout(digit), lanes // 2))
        As `Lanes` has them: the late ones a cycle after the others.
    weights : In(ArrayLayout(WeightLayout(), lanes // 2))
    step : In(StepLayout(reuse))
        The flags of the step whose weights came in 1 + `levels` cycles before.
    drained : In(accumulator_bits(reuse))
        Where there are several: the accumulator to show.
    shadow : Out(drains * width)
        The last tile's sum, or that of `drained` and of the one behind it.
    """

    def __init__(
        self,
        *,
        lanes: int,
        digit: int,
        digits: int,
        width: int,
        doubling: bool,
        reuse: int = 1,
        drains: int = 1,
        six_input_luts: bool = False,
    ) -> None:
        require_positive("Digits", digits)
        require_positive("Width", width)
        require_positive("Reuse", reuse)
        self.digit, self.digits, self.reuse = digit, digits, reuse
        self.terms = TermSums(lanes=lanes, digit=digit, six_input_luts=six_input_luts)
        self.tree = AdderTree(bounds=self.terms.bounds)
        self.gather = (
            Horner(digit=digit, digits=digits, greatest=self.tree.bound, reuse=reuse) if self.horner else None
        )
        total_width = len(self.gather.total if self.gather else self.tree.total)
        self.sum: Accumulator | StripAccumulators = (
            StripAccumulators(
                total_width=total_width, width=width, doubling=doubling, reuse=reuse, drains=drains
            )
            if reuse > 1
            else Accumulator(total_width=total_width, width=width, doubling=doubling)
        )
        super().__init__(
            {
                "pairs": In(ArrayLayout(PairLayout(digit), lanes // 2)),
                "weights": In(ArrayLayout(WeightLayout(), lanes // 2)),
                "step": In(StepLayout(reuse)),
                **({"drained": In(accumulator_bits(reuse))} if reuse > 1 else {}),
                "shadow": Out(drains * width),
            }
        )

    @property
    def levels(self) -> int:
        """Levels of addition between a term and the sum of all."""
        return self.terms.levels + self.tree.levels

    @property
    def horner(self) -> bool:
        """Whether values have several digits, which takes a stage more."""
        return self.digits > 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.terms, m.submodules.tree, m.submodules.accumulator = self.terms, self.tree, self.sum
        m.d.comb += [
            self.terms.pairs.eq(self.pairs),
            self.terms.weights.eq(self.weights),
            self.tree.operands.eq(self.terms.sums),
            self.shadow.eq(self.sum.shadow),
        ]
        if isinstance(self.sum, StripAccumulators):
            m.d.comb += self.sum.drained.eq(self.drained)
        if self.gather is None:
            m.d.comb += [self.sum.total.eq(self.tree.total), self.sum.step.eq(self.step)]
        else:
            m.submodules.horner = self.gather
            step = Signal(StepLayout(self.reuse))
            m.d.sync += step.eq(self.step)
            m.d.comb += [
                self.gather.term.eq(self.tree.total),
                self.gather.step.eq(self.step),
                self.sum.total.eq(self.gather.total),
                self.sum.step.eq(step),
            ]
        return m
