"""The drain walker: rounds of requantisation, and the parameter words and values' places that go with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout, View
from amaranth.lib.wiring import In, Out

from bcsim.machine import Machine
from bcsim.rtl.checks import require_machine
from bcsim.rtl.loop import Loop
from bcsim.rtl.memory import address_bits
from bcsim.rtl.record_reader import RecordReader
from bcsim.rtl.records import DRAIN_LAYOUT
from bcsim.rtl.requantiser import QUOTIENT_BITS
from bcsim.timing import round_cycles

__all__ = ["DrainWalker", "PlaceLayout", "Round", "rounds"]


class PlaceLayout(StructLayout):
    """Where the values of a round go.

    Members
    -------
    digits : unsigned(3)
        Digits of a value, minus one.
    scores : unsigned(1)
        To the output buffer; the other fields but `last` then mean nothing.
    last : unsigned(1)
        The layer's last round.
    group : unsigned
        Of R lanes in the word.
    address : unsigned
        The word of the most significant digit.
    """

    def __init__(self, machine: Machine) -> None:
        super().__init__(
            {
                "digits": DRAIN_LAYOUT["digits"].shape,
                "scores": 1,
                "last": 1,
                "group": address_bits(machine.groups),
                "address": address_bits(machine.activation_words),
            }
        )


@dataclass(frozen=True, slots=True)
class Round:
    """A round as docs/machine.md orders it.

    cycles : V.
    parameter : its first word in the parameter memories.
    """

    cycles: int
    bits: int
    search: bool
    parameter: int
    digits: int
    scores: bool
    last: bool
    group: int
    address: int


def rounds(records: Sequence[Mapping[str, int]], *, groups: int) -> Iterator[list[Round]]:
    """The rounds of every tile of one image after another."""
    while True:
        parameter = 0
        for record in records:
            count, bits, search = 0, record["bits"] + 1, bool(record["search"])
            for tile in range(record["tiles"] + 1):
                walk = []
                last_tile = tile == record["tiles"]
                of_tile = record["rounds_last" if last_tile else "rounds_full"] + 1
                for index in range(of_tile):
                    word, group = divmod(count, groups)
                    walk.append(
                        Round(
                            cycles=round_cycles(bits, search),
                            bits=bits,
                            search=search,
                            parameter=parameter,
                            digits=record["digits"] + 1,
                            scores=bool(record["scores"]),
                            last=last_tile and index == of_tile - 1,
                            group=group,
                            address=record["write_base"] + word * (record["digits"] + 1),
                        )
                    )
                    count += 1
                    parameter += 1 << bits if search else 1
                yield walk


class DrainWalker(wiring.Component):
    """The writing half of the sequencer: drives the requantisers through the rounds of every tile.

    Latency: 0 from `tile` to the first round's `load`; a round takes `round_cycles(bits, search)` cycles.

    Parameters
    ----------
    machine : Machine

    Members
    -------
    record_address : Out(address_bits(machine.layers))
    record : In(DRAIN_LAYOUT)
        Of the address two cycles ago.
    tile : In(1)
        The first cycle of a tile's first round; not while another tile's rounds last.
    load, step, done, search, probe : Out
        As in Requantiser. `load` also shifts the array's chains.
    select : Out(1)
        The parameter address is that of the candidate, counted from `parameter_address`.
    parameter_address : Out(address_bits(machine.parameter_words))
        The round's first word, two cycles ahead of `load`; the word `select` counts from.
    place : Out(PlaceLayout(machine))
        In the cycle of `done`.
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        super().__init__(
            {
                "record_address": Out(address_bits(machine.layers)),
                "record": In(DRAIN_LAYOUT),
                "tile": In(1),
                "load": Out(1),
                "step": Out(1),
                "done": Out(1),
                "search": Out(1),
                "probe": Out(QUOTIENT_BITS),
                "select": Out(1),
                "parameter_address": Out(address_bits(machine.parameter_words)),
                "place": Out(PlaceLayout(machine)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.reader = reader = RecordReader(layers=self.machine.layers)
        m.submodules.tiles = tiles = Loop(width=DRAIN_LAYOUT["tiles"].width)
        layer = Signal(DRAIN_LAYOUT)
        take, last_round, awake = Signal(), Signal(), Signal()
        m.d.comb += [
            self.record_address.eq(reader.address),
            reader.take.eq(take),
            reader.last.eq(self.record.last),
            tiles.start.eq(take),
            tiles.count.eq(self.record.tiles),
            tiles.advance.eq(self.done & last_round),
            self.place.last.eq(tiles.last & last_round),
            take.eq(Mux(awake, self.done & self.place.last, reader.ready)),
            self.search.eq(layer.search),
            self.place.scores.eq(layer.scores),
            self.place.digits.eq(layer.digits),
        ]
        with m.If(take):
            m.d.sync += [layer.eq(self.record), awake.eq(1)]
        self._count_rounds(m, last_round, Mux(tiles.last, layer.rounds_last, layer.rounds_full))
        turn = self._time_round(m, take, last_round, layer)
        self._address_parameters(m, turn, take, layer)
        self._place_values(m, take, layer)
        return m

    def _count_rounds(self, m: Module, last_round: Signal, last: Value) -> None:
        round_ = Signal(range(self.machine.pes // self.machine.requantisers))
        m.d.comb += last_round.eq(round_ == last[: max(1, len(round_))])
        with m.If(self.done):
            m.d.sync += round_.eq(Mux(last_round, 0, round_ + 1))

    def _time_round(self, m: Module, take: Signal, last_round: Signal, layer: View) -> Signal:
        """The phases of a round; returns the strobe for the next parameter address, in cycle V - 3."""
        left, whole = Signal(signed(7)), Signal(signed(7))
        interval = Signal.like(whole)
        again, within, active = Signal(), Signal(), Signal()
        phase = Signal(3)
        # left is V - 2 in cycle 0, so that its sign marks cycle V - 1.
        bits = self.record.bits + 1
        m.d.comb += [
            interval.eq(Mux(self.record.search, bits + (bits << 1), bits)),
            self.load.eq(self.tile | again),
            active.eq(self.load | within),
            self.done.eq(within & left[-1]),
            self.step.eq(within & ~left[-1] & (phase[2] | ~layer.search)),
            self.select.eq(within & ~left[-1] & phase[0] & layer.search),
        ]
        m.d.sync += [again.eq(self.done & ~last_round), within.eq(active & ~self.done)]
        with m.If(take):
            m.d.sync += [left.eq(interval), whole.eq(interval)]
        with m.Elif(active):
            m.d.sync += left.eq(Mux(self.done, whole, left - 1))
        with m.If(self.load):
            m.d.sync += [phase.eq(0b001), self.probe.eq(1 << layer.bits)]
        with m.Else():
            m.d.sync += phase.eq(phase.rotate_left(1))
            with m.If(self.step):
                m.d.sync += self.probe.eq(self.probe >> 1)
        return active & (left == 1)

    def _address_parameters(self, m: Module, turn: Value, take: Signal, layer: View) -> None:
        """The next round's first word two cycles before it begins, when the candidates need this round's no more."""
        stride = Signal.like(self.parameter_address)
        with m.If(take):
            m.d.sync += stride.eq(Mux(self.record.search, 2 << self.record.bits, 1))
        with m.If(turn):
            first = layer.last & self.place.last
            m.d.sync += self.parameter_address.eq(Mux(first, 0, self.parameter_address + stride))

    def _place_values(self, m: Module, take: Signal, layer: View) -> None:
        place = self.place
        with m.If(take):
            m.d.sync += [place.group.eq(0), place.address.eq(self.record.write_base)]
        with m.Elif(self.done):
            m.d.sync += place.group.eq(place.group + 1)
            with m.If(place.group == self.machine.groups - 1):
                m.d.sync += [place.group.eq(0), place.address.eq(place.address + layer.digits + 1)]
