"""The drain writer: carries finished values into the activation memory or the output buffer."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

from bcsim.machine import Machine
from bcsim.rtl.checks import require_machine
from bcsim.rtl.drain import PlaceLayout
from bcsim.rtl.memory import WriteSignature
from bcsim.rtl.requantiser import QUOTIENT_BITS

__all__ = ["DrainWriter", "digit_words"]


def digit_words(values: Sequence[int], *, digits: int, width: int) -> list[int]:
    """The words that hold the values' digits of `width` bits, the most significant digit first."""
    mask = (1 << width) - 1
    return [
        sum((value >> digit * width & mask) << lane * width for lane, value in enumerate(values))
        for digit in reversed(range(digits))
    ]


class DrainWriter(wiring.Component):
    """Writes a round's values, digit by digit, while the next round is computed.

    Latency: digit d of the target is written d + 1 cycles after `done`; scores, all at once, 1 cycle after it.

    Parameters
    ----------
    machine : Machine

    Members
    -------
    done : In(1)
        The last cycle of a round.
    place : In(PlaceLayout(machine))
        Read in the cycle of `done`.
    values : In(ArrayLayout(16, machine.requantisers))
        Read in the cycles of the writes.
    write : Out(WriteSignature(machine))
    score_write : Out(1)
        `values` are the next scores in class order.
    score_last : Out(1)
        And the last ones.
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        super().__init__(
            {
                "done": In(1),
                "place": In(PlaceLayout(machine)),
                "values": In(ArrayLayout(QUOTIENT_BITS, machine.requantisers)),
                "write": Out(WriteSignature(machine)),
                "score_write": Out(1),
                "score_last": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        machine, place = self.machine, self.place
        digit = Signal.like(place.digits)
        busy = Signal()
        # digits of a hidden layer's value; a score's upper bits never come this way
        most = -(-machine.activation_bits // machine.digit)
        parts = [value[: most * machine.digit].word_select(digit, machine.digit) for value in self.values]
        m.d.comb += self.write.data.eq(Cat(*parts).replicate(machine.groups))
        m.d.sync += [
            self.score_write.eq(self.done & place.scores),
            self.score_last.eq(self.done & place.scores & place.last),
        ]
        with m.If(self.done & ~place.scores):
            m.d.sync += [
                busy.eq(1),
                digit.eq(place.digits),
                self.write.address.eq(place.address),
                self.write.enable.eq(1 << place.group),
            ]
        with m.Elif(busy & (digit != 0)):
            m.d.sync += [digit.eq(digit - 1), self.write.address.eq(self.write.address + 1)]
        with m.Else():
            m.d.sync += [busy.eq(0), self.write.enable.eq(0)]
        return m
