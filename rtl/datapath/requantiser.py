"""A requantiser: turns an accumulator into a target value by subtractions."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import QUOTIENT_BITS
from bcsim.rtl.common.layouts import ParameterLayout, PoolLayout, tile_rounds
from bcsim.rtl.common.require import require_machine
from bcsim.rtl.datapath.pool import Pool

__all__ = ["Requantiser", "divide", "search"]


def divide(accumulator: int, offset: int, divisor: int, *, bits: int, fraction_bits: int) -> int:
    """clip(floor((2**fraction_bits * accumulator - offset) / divisor), 0, 2**bits - 1)."""
    return min(max(((accumulator << fraction_bits) - offset) // divisor, 0), (1 << bits) - 1)


def search(accumulator: int, thresholds: Sequence[int]) -> int:
    """How many of the thresholds (any order, integers) are <= accumulator."""
    return sum(threshold <= accumulator for threshold in thresholds)


class Requantiser(wiring.Component):
    """Divider without restoring and binary search over thresholds: one bit of the target per `step`.

    Latency: `S * bits + 1` cycles for a division, where S is the machine's `divide_cycles`, `3 * bits + 1` for a
    search; one value every `round_cycles(bits, search, S)` cycles. In a round of V cycles, counted from 0, with P
    target bits:

    ============= ============================== ==================================================
    member        divide, V = S * P              search, V = 3 * P + 2
    ============= ============================== ==================================================
    `load`        cycle 0                        cycle 0
    `step`        cycles S, 2 * S, ..., S * P    cycles 3, 6, ..., 3 * P
    `done`        cycle S * P                    cycle 3 * P
    `probe`       1 << (P - 1) to cycle S, then  1 << (P - 1) in cycles 1 to 3, then shifted right
                  shifted right after each step  after each step
    `accumulator` cycle 0                        cycle 0
    `parameter`   the even word in cycles 1 to   the even word of the candidate in the cycles of `step`
                  S, the odd one to the end
    `found`                                      with `probe` the word to read, in cycles 1, 4, ..., 3 * P - 2
    `q`           from cycle S * P + 1           from cycle 3 * P + 1
    ============= ============================== ==================================================

    Cycle V is cycle 0 of the next round: a division's last step falls together with the next `load`. That takes the
    accumulator as it is: the first bit's subtraction is of offset and divisor at once, so that there is one subtractor
    for all. With S = 2 the fraction bits of a subtraction go before the others, and the carry between them is a
    register. `q` stays until the next round's is complete.

    Parameters
    ----------
    machine : Machine
        Its accumulator_bits, fraction_bits, divide_cycles and, where it is spatial, pes, requantisers and reuse count
        here.

    Members
    -------
    accumulator : In(machine.accumulator_bits)
    parameter : In(ParameterLayout(machine))
        The parameter memory's output register.
    load, step, done : In(1)
        `done` is high with a round's last step.
    search : In(1)
        A round of a searched layer goes on, from cycle 1 to its last `step`.
    probe : In(QUOTIENT_BITS)
        One-hot: the bit of the target that `step` decides.
    pool : In(PoolLayout(machine))
        On a spatial machine; steady from the first `step` to `done`.
    found : Out(QUOTIENT_BITS)
        Of a search, the bits decided before the last: plus `probe` the threshold to compare with next, 1 to 2**P - 1.
        0 in a division, between rounds, and while the last bit is decided, once its threshold's address was there.
    q : Out(QUOTIENT_BITS)
        The target value, 0 to 2**P - 1; with pooling the greatest or least of its window so far.
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
                "found": Out(QUOTIENT_BITS),
                "q": Out(QUOTIENT_BITS),
                **({"pool": In(PoolLayout(machine))} if machine.spatial else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._decide(m, self._subtract(m))
        return m

    def _subtract(self, m: Module) -> Value:
        """The target's next bit: of a quotient by division without restoring, or whether a threshold is reached.

        Instead of a divisor that is halved, the remainder is doubled. One below 0 is kept as its complement, which
        doubles to a complement: then every step subtracts, and a register says what the sign of a difference means.
        """
        width = max(self.machine.remainder_bits + 1, self.machine.divisor_bits + 3)
        # Complements of remainder and difference: a carry chain that subtracts would take inverters on iCE40.
        remainder = Signal(signed(width), reset_less=True)
        difference, upright, fits = Signal(signed(width)), Signal(reset_less=True), Signal()
        reached = difference[-1]
        distance = difference[:-1] ^ reached.replicate(width - 1)
        # A distance of a quarter of the range is more than any divisor, and stays: so its upper bits may run together.
        doubled = Cat(~fits, distance[:-2], distance[-2:].any(), 0).as_signed()
        m.d.comb += [difference.eq(self._add(m, remainder)), fits.eq(upright ^ ~reached)]
        whole = Cat(self.accumulator << self.machine.fraction_bits, 0).as_signed()
        # Apart, so that the bits below and above the accumulator's are set by their flip-flops and take no choice.
        with m.If(self.load):
            m.d.sync += [remainder.eq(~whole), upright.eq(1)]
        with m.Elif(self.step & ~self.search):
            m.d.sync += [remainder.eq(~doubled), upright.eq(fits)]
        return fits

    def _add(self, m: Module, remainder: Signal) -> Value:
        """The remainder's complement and the subtrahend; in two cycles, the fraction bits before the others."""
        subtrahend, low = self.parameter.subtrahend, self.machine.fraction_bits
        if self.machine.divide_cycles == 1 or not low:
            return remainder + subtrahend
        carry, below = Signal(reset_less=True), remainder[:low] + subtrahend[:low]
        # A threshold has no fraction, and comes in the cycle of its comparison: nothing is carried.
        m.d.sync += carry.eq(below[low] & ~self.search)
        # A bit below the upper ones takes the carry: an adder of three numbers would be two.
        above = Cat(1, remainder[low:]).as_signed() + Cat(carry, subtrahend[low:]).as_signed()
        return Cat(below[:low], above[1:])

    def _decide(self, m: Module, fits: Value) -> None:
        """The target's bits, from the most significant down; complete, they wait for their digits' writes."""
        trial, held, found = (
            Signal(QUOTIENT_BITS, name=name, reset_less=True) for name in ("trial", "held", "decided")
        )
        m.d.comb += [self.found.eq(found), self.q.eq(held)]
        # A register for each bit that takes what is decided when its turn comes: no LUT but for the turns, which are
        # those of all requantisers.
        for bit, turn in enumerate(self.probe):
            with m.If(self.load):
                m.d.sync += trial[bit].eq(0)
            with m.Elif(self.step & turn):
                m.d.sync += trial[bit].eq(fits)
            # Apart, as what is added to an address must be 0 whenever a round's first word is read.
            with m.If(~self.search | self.probe[0]):
                m.d.sync += found[bit].eq(0)
            with m.Elif(self.step & turn):
                m.d.sync += found[bit].eq(fits)
        # The last bit is decided in the cycle of `done`.
        decided = Cat(fits, trial[1:])
        complete = self._pool(m, fits, decided) if self.machine.spatial else decided
        with m.If(self.done):
            m.d.sync += held.eq(complete)

    def _pool(self, m: Module, fits: Value, decided: Value) -> Value:
        rounds = self.machine.reuse * tile_rounds(self.machine)
        m.submodules.pool = pool = Pool(rounds=rounds, width=QUOTIENT_BITS)
        m.d.comb += [
            pool.minimum.eq(self.parameter.minimum),
            pool.load.eq(self.load),
            pool.step.eq(self.step),
            pool.done.eq(self.done),
            pool.probe.eq(self.probe),
            pool.bit.eq(fits),
            pool.value.eq(decided),
            pool.first.eq(self.pool.first),
            pool.round.eq(self.pool.round),
        ]
        return pool.result
