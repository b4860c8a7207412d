"""An adder tree with a register behind every level."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

__all__ = ["AdderTree"]


class AdderTree(wiring.Component):
    """The sum of unsigned numbers; Python's `sum` is its model.

    Latency: `levels` = ceil(log2(len(bounds))) cycles; throughput: one sum a cycle. An operand without a partner
    waits in a register of its level.

    Parameters
    ----------
    bounds : Sequence[int]
        The greatest value of each operand, at least 1; a single operand passes straight through.

    Members
    -------
    operands : In(ArrayLayout(width, len(bounds)))
        `width` is that of the greatest bound.
    total : Out(range(bound + 1))
    """

    def __init__(self, *, bounds: Sequence[int]) -> None:
        if not bounds or min(bounds) < 1:
            raise ValueError(f"Bounds must be one or more integers of at least 1, not {bounds!r}")
        self.bounds = tuple(bounds)
        super().__init__(
            {
                "operands": In(ArrayLayout(max(bounds).bit_length(), len(bounds))),
                "total": Out(range(self.bound + 1)),
            }
        )

    @property
    def levels(self) -> int:
        """Additions, and registers, between an operand and the total."""
        return (len(self.bounds) - 1).bit_length()

    @property
    def bound(self) -> int:
        """The greatest total."""
        return sum(self.bounds)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        level = [(self.operands[i], bound) for i, bound in enumerate(self.bounds)]
        for depth in range(1, self.levels + 1):
            sums = []
            for i in range(0, len(level), 2):
                addends = level[i : i + 2]
                bound = sum(bound for _, bound in addends)
                register = Signal(range(bound + 1), name=f"sum_{depth}_{i // 2}", reset_less=True)
                m.d.sync += register.eq(sum(value for value, _ in addends))
                sums.append((register, bound))
            level = sums
        m.d.comb += self.total.eq(level[0][0])
        return m
