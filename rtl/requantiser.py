"""A requantiser: turns an accumulator into a target value by compare-and-subtract."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, ResetSignal, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from bcsim.machine import Machine
from bcsim.rtl.checks import require_machine

__all__ = ["QUOTIENT_BITS", "ParameterLayout", "Requantiser", "divide", "search"]

QUOTIENT_BITS = 16
"""The widest target: a score."""


class ParameterLayout(StructLayout):
    """A word of a requantiser's parameter memory.

    Members
    -------
    offset : signed(machine.remainder_bits)
        What the first cycle of a round takes from the accumulator; a threshold in a searched layer.
    divisor : unsigned(machine.divisor_bits)
        Already shifted left by the target's bits - 1.
    """

    def __init__(self, machine: Machine) -> None:
        super().__init__(
            {"offset": signed(machine.remainder_bits), "divisor": unsigned(machine.divisor_bits)}
        )


def divide(accumulator: int, offset: int, divisor: int, *, bits: int, fraction_bits: int) -> int:
    """clip(floor((2**fraction_bits * accumulator - offset) / divisor), 0, 2**bits - 1)."""
    return min(max(((accumulator << fraction_bits) - offset) // divisor, 0), (1 << bits) - 1)


def search(accumulator: int, thresholds: Sequence[int]) -> int:
    """How many of the thresholds (any order, integers) are <= accumulator."""
    return sum(threshold <= accumulator for threshold in thresholds)


class Requantiser(wiring.Component):
    """Restoring divider and binary search over thresholds: one bit of the target per `step`.

    Latency: `bits + 1` cycles for a division, `3 * bits + 1` for a search; one value every
    `round_cycles(bits, search)` cycles. In a round of V cycles, counted from 0, with P target bits:

    ============ ============================== ==================================================
    member       divide, V = P + 2              search, V = 3 * P + 2
    ============ ============================== ==================================================
    `load`       cycle 0                        cycle 0
    `step`       cycles 1 to P                  cycles 3, 6, ..., 3 * P
    `done`       cycle V - 1                    cycle V - 1
    `probe`      1 << (P - 1) in cycle 1, then  1 << (P - 1) in cycles 1 to 3, then shifted right
                 shifted right after each step  after each step
    `parameter`  the round's word in cycle 0    word `candidate` in the cycles of `step`
    `candidate`                                 the word to read, in cycles 1, 4, ..., 3 * P - 2
    `q`          cycles V to V + D' - 1         cycles V to V + D' - 1
    ============ ============================== ==================================================

    D' is the number of the target's digits; cycle V is cycle 0 of the next round.

    Parameters
    ----------
    machine : Machine
        Its accumulator_bits, fraction_bits, activation_bits and digit count here.

    Members
    -------
    accumulator : In(machine.accumulator_bits)
        Read in the cycle of `load`.
    parameter : In(ParameterLayout(machine))
        The parameter memory's output register.
    load, step, done : In(1)
        At most one is high.
    search : In(1)
        Whether this is a round of a searched layer.
    probe : In(16)
        One-hot: the bit of the target that `step` decides; ignored in the cycles of `load` and `done`.
    candidate : Out(16)
        Index of the threshold to compare with next, 1 to 2**P - 1.
    q : Out(16)
        The target value, 0 to 2**P - 1.
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        super().__init__(
            {
                "accumulator": In(machine.accumulator_bits),
                "parameter": In(ParameterLayout(machine)),
                "load": In(1),
                "step": In(1),
                "done": In(1),
                "search": In(1),
                "probe": In(QUOTIENT_BITS),
                "candidate": Out(QUOTIENT_BITS),
                "q": Out(QUOTIENT_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fraction_bits, width = self.machine.fraction_bits, self.machine.remainder_bits
        remainder = Signal(signed(width), reset_less=True)
        divisor = Signal(unsigned(self.machine.divisor_bits), reset_less=True)
        trial = Signal(QUOTIENT_BITS, reset_less=True)

        # `done` has cleared the fraction, so that loading takes multiplexers for the accumulator's bits only.
        minuend = Cat(remainder[:fraction_bits], Mux(self.load, self.accumulator, remainder[fraction_bits:]))
        first = Mux(self.search, 0, self.parameter.offset)
        later = Mux(self.search, self.parameter.offset, divisor)
        difference = Signal(signed(width + 1))
        fits = ~difference[-1]
        m.d.comb += difference.eq(minuend.as_signed() - Mux(self.load, first, later))

        with m.If(self.load | (self.step & fits & ~self.search)):
            m.d.sync += remainder.eq(difference)
        with m.If(self.done | ResetSignal()):
            m.d.sync += remainder[:fraction_bits].eq(0)
        m.d.sync += divisor.eq(Mux(self.load, self.parameter.divisor, divisor >> 1))

        with m.If(self.load):
            m.d.sync += trial.eq(0)
        with m.Elif(self.step):
            m.d.sync += trial.eq(trial | Mux(fits, self.probe, 0))
        m.d.comb += self.candidate.eq(trial | self.probe)
        self._hold(m, trial)
        return m

    def _hold(self, m: Module, trial: Signal) -> None:
        """Keep `q` while the next round runs, where its digits take several cycles to write."""
        if self.machine.activation_bits > self.machine.digit:
            held = Signal(QUOTIENT_BITS, reset_less=True)
            m.d.comb += self.q.eq(held)
            with m.If(self.done):
                m.d.sync += held.eq(trial)
        else:
            m.d.comb += self.q.eq(trial)
