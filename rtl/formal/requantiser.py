"""A requantiser driven round after round, beside the definitions of division and search."""

from __future__ import annotations

from amaranth.hdl import Array, Assert, Assume, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout, View
from amaranth.lib.wiring import In

from bcsim.machine.latency import round_cycles, write_cycles
from bcsim.machine.parameters import Machine
from bcsim.rtl.common.layouts import ParameterLayout
from bcsim.rtl.datapath.requantiser import Requantiser

__all__ = ["RequantiserProof"]


class RoundLayout(StructLayout):
    """What a round requantises, and with what.

    Members
    -------
    accumulator : unsigned(machine.accumulator_bits)
    offset : signed(machine.remainder_bits)
    divisor : unsigned(machine.divisor_bits - bits + 1)
        Not shifted.
    threshold_1, ..., threshold_{2**bits - 1} : signed(machine.accumulator_bits + 2)
        Beyond an accumulator's range on both sides.
    """

    def __init__(self, machine: Machine, bits: int) -> None:
        thresholds = {f"threshold_{k}": signed(machine.accumulator_bits + 2) for k in range(1, 1 << bits)}
        super().__init__(
            {
                "accumulator": machine.accumulator_bits,
                "offset": signed(machine.remainder_bits),
                "divisor": machine.divisor_bits - bits + 1,
            }
            | thresholds
        )


class RequantiserProof(wiring.Component):
    """Asserts that `q` is the clipped floor of a quotient, or a count of thresholds, from each round to the next.

    Rounds of one kind start at any time from `round_cycles` on behind each other, each with new inputs; whatever
    a requantiser should ignore is different noise in every cycle.

    Parameters
    ----------
    machine : Machine
    bits : int
        Bits of the target.
    search : bool
        The kind of the rounds.

    Members
    -------
    start : In(1)
        Start a round, if one may start.
    inputs : In(RoundLayout(machine, bits))
        Taken in a round's first cycle.
    noise : In(ParameterLayout(machine))
    """

    def __init__(self, machine: Machine, *, bits: int, search: bool) -> None:
        self.machine, self.bits, self.search = machine, bits, search
        layout = RoundLayout(machine, bits)
        self.present, self.past = Signal(layout), Signal(layout)
        super().__init__({"start": In(1), "inputs": In(layout), "noise": In(ParameterLayout(machine))})

    @property
    def steps(self) -> int:
        """Cycles that the induction looks back: a round, and its value."""
        return write_cycles(self.bits, self.search, self.machine.divide_cycles) + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.requantiser = dut = Requantiser(self.machine)
        divide = self.machine.divide_cycles
        idle = write_cycles(self.bits, self.search, divide)
        age, judged = Signal(range(idle + 1), init=idle), Signal()
        with m.If(dut.load):
            m.d.sync += [age.eq(1), self.present.eq(self.inputs)]
        with m.Elif(age != idle):
            m.d.sync += age.eq(age + 1)
        with m.If(dut.done):
            m.d.sync += [self.past.eq(self.present), judged.eq(1)]
        m.d.comb += [
            Assert((age > 0) & (age <= idle)),
            dut.load.eq(self.start & (age >= round_cycles(self.bits, self.search, divide))),
        ]
        self._control(m, dut, age)
        self._parameters(m, dut, age)
        with m.If(judged):
            m.d.comb += Assert(self._counted(dut.q) if self.search else self._divided(dut.q))
        return m

    def _control(self, m: Module, dut: Requantiser, age: Signal) -> None:
        """The drain walker's part, `age` cycles after `load`."""
        stride = 3 if self.search else self.machine.divide_cycles
        m.d.comb += [
            dut.done.eq(age == stride * self.bits),
            dut.search.eq(self.search & (age <= stride * self.bits)),
            dut.probe.eq(self.noise.subtrahend),
        ]
        for bit in range(self.bits):
            decided = stride * (bit + 1)
            with m.If((age <= decided) & (age > decided - stride)):
                m.d.comb += dut.probe.eq(1 << self.bits - 1 - bit)
                m.d.comb += dut.step.eq(age == decided)

    def _parameters(self, m: Module, dut: Requantiser, age: Signal) -> None:
        """The parameter memory's part, and the ranges that the mapping keeps to."""
        reach = 1 << self.machine.accumulator_bits + self.machine.fraction_bits + 8
        inputs = self.inputs
        m.d.comb += [
            Assume(inputs.divisor > 0),
            Assume((inputs.offset >= -reach) & (inputs.offset <= reach)),
            dut.parameter.eq(self.noise),
            dut.accumulator.eq(Mux(dut.load, inputs.accumulator, self.noise.subtrahend)),
        ]
        for below, above in zip(self._thresholds(inputs), self._thresholds(inputs)[1:], strict=False):
            m.d.comb += Assume(below <= above)
        if self.search:
            address, read = Signal(self.bits), Signal(self.bits)
            m.d.sync += [address.eq(dut.found + dut.probe), read.eq(address)]
            words = Array([Const(0), *self._thresholds(self.present)])
            with m.If(dut.step):
                m.d.comb += dut.parameter.subtrahend.eq(words[read] << self.machine.fraction_bits)
        else:
            divide, divisor = self.machine.divide_cycles, self.present.divisor << self.bits - 1
            with m.If(age <= divide):
                m.d.comb += dut.parameter.subtrahend.eq(self.present.offset + divisor)
            with m.Elif(age <= divide * self.bits):
                m.d.comb += dut.parameter.subtrahend.eq(divisor)

    def _thresholds(self, values: View[RoundLayout]) -> list[Value]:
        return [values[f"threshold_{k}"] for k in range(1, 1 << self.bits)]

    def _divided(self, q: Value) -> Value:
        """q * divisor <= numerator < (q + 1) * divisor, but for clipping to 0 and to 2**bits - 1."""
        past = self.past
        numerator = (past.accumulator << self.machine.fraction_bits) - past.offset
        multiple = sum(Mux(q[bit], past.divisor << bit, 0) for bit in range(self.bits))
        most = (1 << self.bits) - 1
        enough = (q == 0) | (multiple <= numerator)
        not_more = (q == most) | (numerator < multiple + past.divisor)
        return (q <= most) & enough & not_more

    def _counted(self, q: Value) -> Value:
        """q is how many thresholds the accumulator reaches."""
        return q == sum(threshold <= self.past.accumulator for threshold in self._thresholds(self.past))
