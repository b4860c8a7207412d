"""The drain writer: carries finished values into the activation memory or the output buffer."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import QUOTIENT_BITS
from bcsim.rtl.common.memory import WriteSignature
from bcsim.rtl.common.require import require_machine
from bcsim.rtl.sequencer.round_phases import PlaceLayout

__all__ = ["DrainWriter"]


class DrainWriter(wiring.Component):
    """Writes a round's values, digit by digit, while the next round is computed.

    Latency: digit d of the target is written d + 2 cycles after `done`; scores, all at once, 1 cycle after it.

    Parameters
    ----------
    machine : Machine

    Members
    -------
    done : In(1)
        The last step of a round whose values are written.
    place : In(PlaceLayout(machine))
        Read in the cycle of `done`.
    values : In(ArrayLayout(QUOTIENT_BITS, machine.drains * machine.requantisers))
        From the cycle after `done`; for digit d, read a cycle before its write. Those of a second position are written
        behind those of the first.
    write : Out(WriteSignature(machine))
    score_write : Out(1)
        `values` are the next scores in class order.
    score_last : Out(1)
        They were the last ones, a cycle before.
    score_turn : Out(1)
        They are their position's last ones of the tile; only where a machine can take several images at once.
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        super().__init__(
            {
                "done": In(1),
                "place": In(PlaceLayout(machine)),
                "values": In(ArrayLayout(QUOTIENT_BITS, machine.drains * machine.requantisers)),
                "write": Out(WriteSignature(machine)),
                "score_write": Out(1),
                "score_last": Out(1),
                **({"score_turn": Out(1)} if machine.batch > 1 else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        machine, place = self.machine, self.place
        digit, address, group = (Signal.like(place[name]) for name in ("digits", "address", "group"))
        busy, last = Signal(), Signal()
        # digits of a hidden layer's value; a score's upper bits never come this way
        most = -(-machine.activation_bits // machine.digit)
        pairs, count = machine.drains == 2, machine.requantisers
        values = list(self.values)
        if pairs:
            second, more, whole, after = Signal(), Signal(), Signal.like(digit), Signal.like(address)
            both = zip(values[:count], values[count:], strict=True)
            values = [Mux(second, behind, before) for before, behind in both]
        parts = [value[: most * machine.digit].word_select(digit, machine.digit) for value in values]
        word = Signal(len(parts) * machine.digit, reset_less=True)
        m.d.comb += self.write.data.eq(word.replicate(machine.groups))
        m.d.sync += [
            word.eq(Cat(*parts)),
            self.write.address.eq(address),
            self.write.enable.eq(Mux(busy, 1 << group, 0)),
            self.score_write.eq(self.done & place.scores),
            last.eq(self.done & place.scores & place.last),
            self.score_last.eq(last),
        ]
        if machine.batch > 1:
            m.d.sync += self.score_turn.eq(place.turn)
        with m.If(self.done & ~place.scores):
            m.d.sync += [
                busy.eq(1),
                digit.eq(place.digits),
                address.eq(place.address),
                group.eq(place.group),
            ]
            if pairs:
                m.d.sync += [second.eq(0), more.eq(place.pair), whole.eq(place.digits)]
                m.d.sync += after.eq(place.address + place.stride)
        with m.Elif(busy & (digit != 0)):
            m.d.sync += [digit.eq(digit - 1), address.eq(address + 1)]
        if pairs:
            with m.Elif(busy & more):
                m.d.sync += [second.eq(1), more.eq(0), digit.eq(whole), address.eq(after)]
        with m.Else():
            m.d.sync += busy.eq(0)
        return m
