"""A processing element's accumulators where weights are used again: two for each position of a strip."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.require import require_positive
from bcsim.rtl.common.step import StepLayout, accumulator_bits
from bcsim.rtl.datapath.accumulator import doubled

__all__ = ["StripAccumulators"]


class StripAccumulators(wiring.Component):
    """Sums of chunk totals, modulo 2**width, in a memory of 2 * reuse words: one set is added to while one drains.

    Latency: the cycle after a pass' last total all its sums are there for `drained`, 0 from there to `shadow`.
    Throughput: one total a cycle, of any position. Read and written in the same cycle, which memories of LUTs can.

    Parameters
    ----------
    total_width : int
        Bits of a chunk's total.
    width : int
        Bits of an accumulator.
    doubling : bool
        Whether `step.double` is obeyed.
    reuse : int
        Positions of a strip, a power of two.
    drains : int
        Accumulators shown at once, 1 or 2.

    Members
    -------
    total : In(total_width)
        A chunk's total, unsigned.
    step : In(StepLayout(reuse))
        The flags of the step that completed `total`.
    drained : In(accumulator_bits(reuse))
        The accumulator to show; of two the first, which is an even one unless the second is not looked at.
    shadow : Out(drains * width)
        Its sum, and that of the one behind it.

    Attributes
    ----------
    sums : Memory
        The accumulators.
    """

    def __init__(self, *, total_width: int, width: int, doubling: bool, reuse: int, drains: int = 1) -> None:
        require_positive("Total width", total_width)
        require_positive("Width", width)
        self.width, self.doubling, self.reuse, self.drains = width, doubling, reuse, drains
        self.sums = memory.Memory(shape=width, depth=2 * reuse, init=[])
        super().__init__(
            {
                "total": In(total_width),
                "step": In(StepLayout(reuse)),
                "drained": In(accumulator_bits(reuse)),
                "shadow": Out(drains * width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.sums = sums = self.sums
        so_far = sums.read_port(domain="comb")
        drains = [sums.read_port(domain="comb") for _ in range(self.drains)]
        write, before = sums.write_port(), Signal(self.width)
        m.d.comb += [
            so_far.addr.eq(self.step.accumulator),
            before.eq(Mux(self.step.first, 0, so_far.data)),
            write.addr.eq(self.step.accumulator),
            write.data.eq(doubled(before, self.step, self.doubling) + self.total),
            write.en.eq(self.step.valid & self.step.last_digit),
            *(drain.addr.eq(self.drained | index) for index, drain in enumerate(drains)),
            self.shadow.eq(Cat(drain.data for drain in drains)),
        ]
        return m
