"""The drain walker: rounds of requantisation, and the parameter words and values' places that go with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out

from bcsim.machine import Machine
from bcsim.rtl.checks import require_machine
from bcsim.rtl.loop import Loop
from bcsim.rtl.memory import address_bits
from bcsim.rtl.record_reader import RecordReader
from bcsim.rtl.records import DRAIN_LAYOUT
from bcsim.rtl.requantiser import QUOTIENT_BITS
from bcsim.rtl.round_phases import PlaceLayout, RoundLayout, RoundPhases
from bcsim.timing import round_cycles, write_cycles

__all__ = ["DrainWalker", "Round", "rounds"]


@dataclass(frozen=True, slots=True)
class Round:
    """A round as docs/machine.md orders it.

    cycles : V. write : from its first cycle to its first write.
    parameter : its first word in the parameter memories.
    """

    cycles: int
    write: int
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
                            write=write_cycles(bits, search),
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

    Latency: 2 cycles from `tile` to the first round's `load`, the parameter memories' own; a round takes
    `round_cycles(bits, search)` cycles.

    Parameters
    ----------
    machine : Machine

    Members
    -------
    record_address : Out(address_bits(machine.layers))
    record : In(DRAIN_LAYOUT)
        Of the address two cycles ago.
    tile : In(1)
        Two cycles before a tile's first round; not before another tile's rounds have begun and lasted.
    shift : Out(1)
        Two cycles before a round's first, as in Array.
    load, step, done, search, probe : Out
        As in Requantiser.
    select : Out(1)
        The parameter address is that of the candidate, counted from `parameter_address`.
    parameter_address : Out(address_bits(machine.parameter_words))
        The round's first word in the cycle of `shift`; the word `select` counts from.
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
                "shift": Out(1),
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
        layer, round_ = Signal(DRAIN_LAYOUT), Signal(RoundLayout(self.machine))
        take, end, last_round, awake = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.record_address.eq(reader.address),
            reader.take.eq(take),
            reader.last.eq(self.record.last),
            tiles.start.eq(take),
            tiles.count.eq(self.record.tiles),
            tiles.advance.eq(end & last_round),
            take.eq(Mux(awake, end & round_.place.last, reader.ready)),
            round_.bits.eq(layer.bits),
            round_.search.eq(layer.search),
            round_.place.last.eq(tiles.last & last_round),
            round_.place.scores.eq(layer.scores),
            round_.place.digits.eq(layer.digits),
        ]
        with m.If(take):
            m.d.sync += [layer.eq(self.record), awake.eq(1)]
        self._count_rounds(m, end, last_round, Mux(tiles.last, layer.rounds_last, layer.rounds_full))
        self._time_rounds(m, take, end, last_round)
        self._address_parameters(m, take, end, layer.last & round_.place.last)
        self._place_values(m, take, end, round_.place)
        self._connect_phases(m, round_)
        return m

    def _count_rounds(self, m: Module, end: Signal, last_round: Signal, last: Value) -> None:
        round_ = Signal(range(self.machine.pes // self.machine.requantisers))
        m.d.comb += last_round.eq(round_ == last[: max(1, len(round_))])
        with m.If(end):
            m.d.sync += round_.eq(Mux(last_round, 0, round_ + 1))

    def _time_rounds(self, m: Module, take: Signal, end: Signal, last_round: Signal) -> None:
        """When rounds begin and end: V cycles each, the next one of a tile right behind."""
        left, whole = Signal(signed(7)), Signal(signed(7))
        interval = Signal.like(whole)
        again, within, active = Signal(), Signal(), Signal()
        # left is V - 2 in a round's first cycle, so that its sign marks cycle V - 1.
        bits = self.record.bits
        m.d.comb += [
            interval.eq(Mux(self.record.search, bits + (bits << 1) + 3, bits - 1)),
            self.shift.eq(self.tile | again),
            active.eq(self.shift | within),
            end.eq(active & left[-1]),
        ]
        m.d.sync += [again.eq(end & ~last_round), within.eq(active & ~end)]
        with m.If(take):
            m.d.sync += [left.eq(interval), whole.eq(interval)]
        with m.Elif(active):
            m.d.sync += left.eq(Mux(end, whole, left - 1))

    def _address_parameters(self, m: Module, take: Signal, end: Signal, first: Value) -> None:
        """The next round's first word, from the cycle on in which it can begin."""
        stride = Signal.like(self.parameter_address)
        with m.If(take):
            m.d.sync += stride.eq(Mux(self.record.search, 2 << self.record.bits, 1))
        with m.If(end):
            m.d.sync += self.parameter_address.eq(Mux(first, 0, self.parameter_address + stride))

    def _place_values(self, m: Module, take: Signal, end: Signal, place: View) -> None:
        group, address = Signal.like(place.group), Signal.like(place.address)
        m.d.comb += [place.group.eq(group), place.address.eq(address)]
        with m.If(take):
            m.d.sync += [group.eq(0), address.eq(self.record.write_base)]
        with m.Elif(end):
            m.d.sync += group.eq(group + 1)
            with m.If(group == self.machine.groups - 1):
                m.d.sync += [group.eq(0), address.eq(address + place.digits + 1)]

    def _connect_phases(self, m: Module, round_: View) -> None:
        m.submodules.phases = phases = RoundPhases(self.machine)
        m.d.comb += [phases.begin.eq(self.shift), phases.round.eq(round_)]
        for name in ("load", "step", "done", "search", "probe", "select", "place"):
            m.d.comb += getattr(self, name).eq(getattr(phases, name))
