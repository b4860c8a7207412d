"""Lanes in pairs: what a pair of digits contributes, for equal and for different weights."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.delay import delayed
from bcsim.rtl.common.require import require_positive

__all__ = [
    "Lanes",
    "PairLayout",
    "WeightLayout",
    "is_late",
    "pair_terms",
    "require_lanes",
    "select_term",
    "term_sum",
]


class PairLayout(StructLayout):
    """Both sums of one pair of lanes, `digit` + 1 bits each.

    Members
    -------
    same : unsigned(digit + 1)
        a + b.
    differ : unsigned(digit + 1)
        a + (2**digit - 1 - b).
    """

    def __init__(self, digit: int) -> None:
        super().__init__({"same": digit + 1, "differ": digit + 1})


class WeightLayout(StructLayout):
    """Two weights of one pair of lanes in a weight word.

    Members
    -------
    sign : unsigned(1)
        The weight of the pair's first lane is -1.
    differ : unsigned(1)
        The weights of the two lanes differ.
    """

    def __init__(self) -> None:
        super().__init__({"sign": 1, "differ": 1})


def require_lanes(lanes: int) -> None:
    """Raise TypeError unless `lanes` is an integer, ValueError unless it is even and positive."""
    require_positive("Lanes", lanes)
    if lanes % 2:
        raise ValueError(f"Lanes must be an even number, not {lanes!r}")


def is_late(pair: int, digit: int) -> bool:
    """Whether a pair's sums come a cycle after the others'.

    The odd pairs of wide digits do: a processing element then selects their terms in the cycle that adds them,
    which saves their registers, and LUTs where six inputs take selection and addition together. For narrow
    digits four-input LUTs would grow: Yosys builds such adders without carry chains, and makes the selection and
    the sum one function of ten inputs.
    """
    return digit >= 4 and pair % 2 == 1


def pair_terms(a: int, b: int, digit: int) -> tuple[int, int]:
    """`same` and `differ` of the digits a and b."""
    return a + b, a + (1 << digit) - 1 - b


def select_term(same: int, differ: int, weights: int, digit: int) -> int:
    """What a processing element adds for a pair with these two weight bits (bit 0 sign, bit 1 differ)."""
    chosen = differ if weights & 2 else same
    return (2 << digit) - 1 - chosen if weights & 1 else chosen


def term_sum(activation: int, weights: int, *, lanes: int, digit: int) -> int:
    """The sum over all pairs for one digit word (lanes * digit bits) and one element's weight word (lanes bits)."""
    digits = [activation >> (lane * digit) & ((1 << digit) - 1) for lane in range(lanes)]
    return sum(
        select_term(*pair_terms(digits[lane], digits[lane + 1], digit), weights >> lane & 3, digit)
        for lane in range(0, lanes, 2)
    )


class Lanes(wiring.Component):
    """The pairs' sums, formed once for all processing elements.

    Latency: 1 + `registers` cycles, and one more for the pairs that are late (`is_late`); throughput: one activation
    word a cycle.

    Parameters
    ----------
    lanes : int
        Even, at least 2.
    digit : int
        Bits of a lane's digit, at least 1.
    registers : int
        Further ones on the way, each a cycle: the last behind the pairs, the others before them.

    Members
    -------
    activation : In(lanes * digit)
        Lane n in bits n * digit and up.
    pairs : Out(ArrayLayout(PairLayout(digit), lanes // 2))
        Pair j is of lanes 2 * j and 2 * j + 1.
    """

    def __init__(self, *, lanes: int, digit: int, registers: int = 0) -> None:
        require_lanes(lanes)
        require_positive("Digit", digit)
        self.lanes, self.digit, self.registers = lanes, digit, registers
        super().__init__(
            {
                "activation": In(lanes * digit),
                "pairs": Out(ArrayLayout(PairLayout(digit), lanes // 2)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        activation = delayed(m, self.activation, max(0, self.registers - 1), "activation")
        for j in range(self.lanes // 2):
            digits = activation.word_select(j, 2 * self.digit)
            if is_late(j, self.digit):
                late = Signal(2 * self.digit, name=f"late_{j}", reset_less=True)
                m.d.sync += late.eq(digits)
                digits = late
            a, b = digits[: self.digit], digits[self.digit :]
            pair = Signal(PairLayout(self.digit), name=f"pair_{j}", reset_less=True)
            m.d.sync += pair.same.eq(a + b)
            m.d.sync += pair.differ.eq(a + ~b)
            m.d.comb += self.pairs[j].eq(delayed(m, pair, min(1, self.registers), f"pair_{j}"))
        return m
