"""A processing element behind its lanes, beside the definition of what it adds."""

from __future__ import annotations

from amaranth.hdl import Array, Assert, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In

from bcsim.rtl.common.step import StepLayout, accumulator_bits
from bcsim.rtl.datapath.accumulator import Accumulator
from bcsim.rtl.datapath.horner import Horner
from bcsim.rtl.datapath.lanes import Lanes
from bcsim.rtl.datapath.processing_element import ProcessingElement
from bcsim.rtl.datapath.strip_accumulators import StripAccumulators

__all__ = ["ElementProof"]


class ElementProof(wiring.Component):
    """Asserts that all sums of a processing element are those of lanes that match digits with weights.

    The definition has its own form: lane by lane, each matched digit d or 2**digit - 1 - d, plus one for every
    pair whose sign is set; a flag marks the first digit of a chunk and the first chunk of a tile, instead of sums
    that clear themselves. Its sums are delayed to the cycles of the element's.

    Parameters
    ----------
    element : ProcessingElement

    Members
    -------
    activation, weights, step
        Presented in the same cycle.
    drained
        Where the element has several accumulators: the one that it shows.
    """

    def __init__(self, element: ProcessingElement) -> None:
        self.element = element
        self.lanes = 2 * len(element.terms.pairs)
        super().__init__(
            {
                "activation": In(self.lanes * element.digit),
                "weights": In(self.lanes),
                "step": In(StepLayout(element.reuse)),
                **({"drained": In(accumulator_bits(element.reuse))} if element.reuse > 1 else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        element = self.element
        m.submodules.element = element
        m.submodules.lanes = lanes = Lanes(lanes=self.lanes, digit=element.digit)
        step = _delayed(m, self.step, 2 + element.levels, reset_less=False)
        term = _delayed(m, self._definition(), 2 + element.levels)
        m.d.comb += [
            lanes.activation.eq(self.activation),
            element.pairs.eq(lanes.pairs),
            element.weights.eq(View(element.weights.shape(), _delayed(m, self.weights, 1))),
            element.step.eq(step),
            Assert(element.tree.total == term),
        ]
        if element.gather:
            term = _gathered(m, element.gather, step, term)
            step = _delayed(m, step, 1, reset_less=False)
        if isinstance(element.sum, StripAccumulators):
            self._accumulated_apart(m, element.sum, step, term)
        else:
            self._accumulated(m, step, term)
        return m

    def _definition(self) -> Value:
        """The sum of one cycle's matches, from the words as they are presented."""
        total: Value | int = 0
        for lane in range(self.lanes):
            sign, differ = self.weights[lane & ~1], self.weights[lane | 1]
            digit = self.activation.word_select(lane, self.element.digit)
            negative = sign ^ differ if lane % 2 else sign
            total = total + Mux(negative, ~digit, digit) + (0 if lane % 2 else sign)
        return total

    def _accumulated(self, m: Module, step: View[StepLayout], total: Value) -> None:
        """The tile's sum, and what the shadow register keeps of it."""
        sum_ = self.element.sum
        assert isinstance(sum_, Accumulator)
        first = Signal(init=1)
        accumulator = Signal.like(sum_.accumulator, name="defined_accumulator")
        shadow = Signal.like(sum_.shadow, name="defined_shadow", reset_less=True)
        before = Mux(first, 0, accumulator)
        doubled = before + Mux(step.double & sum_.doubling, before, 0)
        with m.If(step.valid & step.last_digit):
            m.d.sync += [first.eq(step.last), accumulator.eq(doubled + total)]
            with m.If(step.last):
                m.d.sync += shadow.eq(doubled + total)
        m.d.comb += [Assert(sum_.accumulator == before), Assert(sum_.shadow == shadow)]

    def _accumulated_apart(
        self, m: Module, sums: StripAccumulators, step: View[StepLayout], total: Value
    ) -> None:
        """Each accumulator a register of its own, which a first chunk's total replaces."""
        defined = [
            Signal(sums.width, name=f"defined_{index}", reset_less=True) for index in range(2 * sums.reuse)
        ]
        for index, accumulator in enumerate(defined):
            before = Mux(step.first, 0, accumulator)
            doubled = before + Mux(step.double & sums.doubling, before, 0)
            with m.If(step.valid & step.last_digit & (step.accumulator == index)):
                m.d.sync += accumulator.eq(doubled + total)
            kept = sums.sums.read_port(domain="comb")
            m.d.comb += [kept.addr.eq(index), Assert(kept.data == accumulator)]
        m.d.comb += [
            self.element.drained.eq(self.drained),
            Assert(self.element.shadow == Array(defined)[self.drained]),
        ]


def _gathered(m: Module, gather: Horner, step: View[StepLayout], term: Value) -> Value:
    """The chunk's total by Horner's rule, a cycle later."""
    first, total = Signal(init=1), Signal.like(gather.total, name="defined_total", reset_less=True)
    so_far = Mux(first, 0, gather.partial)
    with m.If(step.valid):
        m.d.sync += first.eq(step.last_digit)
    m.d.sync += total.eq((so_far << gather.digit) + term)
    m.d.comb += [Assert(gather.partial == so_far), Assert(gather.total == total)]
    return total


def _delayed(m: Module, value: Value, cycles: int, *, reset_less: bool = True) -> Value:
    for _ in range(cycles):
        register = Signal.like(value, name="delayed", reset_less=reset_less)
        m.d.sync += register.eq(value)
        value = register
    return value
