"""The drain walker: rounds of requantisation, and the parameter words and values' places that go with them."""

from __future__ import annotations

from functools import reduce
from operator import add

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from bcsim.machine.latency import SEARCH_CYCLES, round_cycles
from bcsim.machine.parameters import Machine
from bcsim.machine.widths import QUOTIENT_BITS
from bcsim.rtl.common.layouts import tile_rounds
from bcsim.rtl.common.record_reader import RecordReader
from bcsim.rtl.common.records import drain_layout, trip_widths
from bcsim.rtl.common.require import require_machine
from bcsim.rtl.sequencer.drain_places import place_values
from bcsim.rtl.sequencer.drain_signature import DrainSignature
from bcsim.rtl.sequencer.drain_walk import DrainWalk
from bcsim.rtl.sequencer.loop import NestedLoops
from bcsim.rtl.sequencer.loop_order import drain_order
from bcsim.rtl.sequencer.program_address import ProgramAddress
from bcsim.rtl.sequencer.round_phases import RoundLayout, RoundPhases

__all__ = ["DrainWalker"]


def _interval(bits: Value, cycles: tuple[int, int]) -> Value:
    """V - 2 of a target of `bits` + 1 bits, in shifts and sums: nothing here may multiply."""
    per_bit, beyond = cycles
    shifted = [
        bits << shift if shift else bits for shift in range(per_bit.bit_length()) if per_bit >> shift & 1
    ]
    rest = per_bit + beyond - 2
    return reduce(add, shifted) + rest if rest >= 0 else reduce(add, shifted) - -rest


class DrainWalker(wiring.Component):
    """The writing half of the sequencer: drives the requantisers through the rounds of every tile.

    Latency: 2 cycles from `tile` to the first round's `load`, the parameter memories' own; a round takes
    `round_cycles(bits, search)` cycles.

    Parameters
    ----------
    machine : Machine
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        self.strips = machine.reuse > 1
        super().__init__(DrainSignature(machine))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout, order = drain_layout(self.machine), drain_order(self.machine)
        m.submodules.reader = reader = RecordReader(layers=self.machine.layers)
        m.submodules.loops = loops = NestedLoops(widths=trip_widths(self.machine, layout, order.names))
        layer, round_ = Signal(layout), Signal(RoundLayout(self.machine))
        take, end, pass_end, awake = Signal(), Signal(), Signal(), Signal()
        last_round = Signal()
        last_pass = order.last_pass(loops)
        walk = DrainWalk(order, loops, layer, round_, take, end, pass_end, last_round, Signal(name="again"))
        m.d.comb += [
            self.record_address.eq(reader.address),
            reader.take.eq(take),
            reader.last.eq(self.record.last),
            loops.start.eq(take),
            # The first layer begins when its record is there, any other where the one before ends.
            loops.idle.eq(~awake | last_pass),
            *(loops.counts[name].eq(self.record[name]) for name in order.names),
            loops.advance.eq(pass_end),
            # What ends with a round is known before it ends.
            take.eq((end & (awake & last_round & last_pass)) | (reader.ready & ~awake)),
            round_.bits.eq(layer.bits),
            round_.search.eq(layer.search),
            round_.place.scores.eq(layer.scores),
            round_.place.digits.eq(layer.digits),
        ]
        with m.If(take):
            m.d.sync += [layer.eq(self.record), awake.eq(1)]
        count = self._count_rounds(m, walk)
        m.d.comb += [pass_end.eq(end & last_round), round_.place.last.eq(last_round & last_pass)]
        self._time_rounds(m, walk)
        words = self._address_parameters(m, walk)
        place_values(m, self.machine, self.record, walk)
        if order.spatial:
            self._pool(m, walk, count)
            self._replay(m, walk, words)
        self._connect_phases(m, walk)
        return m

    def _count_rounds(self, m: Module, walk: DrainWalk) -> Signal:
        """The round among those whose values a pooling keeps: of the tile, or of the pass."""
        layer, count = walk.layer, Signal(range(tile_rounds(self.machine)))
        # With as many requantisers as elements a tile is one round, and the counter has no bits to compare.
        last = Mux(walk.order.last_tile(walk.loops), layer.rounds_last, layer.rounds_full)
        position_end = count == last[: max(1, len(count))]
        if self.strips:
            return self._count_strip(m, walk, count, position_end)
        m.d.comb += walk.last_round.eq(position_end)
        with m.If(walk.end):
            m.d.sync += count.eq(Mux(walk.last_round, 0, count + 1))
        return count

    def _count_strip(self, m: Module, walk: DrainWalk, count: Signal, position_end: Value) -> Signal:
        """The round of the pass, whose strip's positions all have those of the tile."""
        more = self._count_positions(m, walk, position_end)
        # A pooling keeps the values of every position of its strip.
        of_pass = Signal(range(self.machine.reuse * tile_rounds(self.machine)))
        m.d.comb += [walk.last_round.eq(position_end & ~more), walk.again.eq(position_end & more)]
        if self.machine.batch > 1:
            m.d.comb += walk.round.place.turn.eq(position_end)
        with m.If(walk.end):
            m.d.sync += [
                count.eq(Mux(position_end, 0, count + 1)),
                of_pass.eq(Mux(walk.last_round, 0, of_pass + 1)),
            ]
        return of_pass

    def _count_positions(self, m: Module, walk: DrainWalk, position_end: Value) -> Value:
        """Whether the strip has positions behind that of the round."""
        kept, left = Signal.like(self.positions), Signal.like(self.positions)
        m.d.comb += left.eq(Mux(self.tile, self.positions, kept))
        more, fewer = left.any(), left - 1
        if self.machine.drains > 1:
            alone = walk.layer.search | walk.layer.scores
            more, fewer = Mux(alone, left.any(), left[1:].any()), Mux(alone, left - 1, left - 2)
            m.d.comb += [self.alone.eq(alone), walk.round.place.pair.eq(left.any() & ~alone)]
        m.d.sync += [
            kept.eq(Mux(walk.end & position_end, fewer, left)),
            self.onward.eq(walk.end & walk.again),
        ]
        return more

    def _time_rounds(self, m: Module, walk: DrainWalk) -> None:
        """When rounds begin and end: V cycles each, the next one of a tile right behind."""
        most = round_cycles(QUOTIENT_BITS, search=True)
        left, whole = (Signal(signed(most.bit_length() + 1), name=name) for name in ("left", "whole"))
        interval = Signal.like(whole)
        again, within, active = Signal(), Signal(), Signal()
        # left is V - 2 in a round's first cycle, so that its sign marks cycle V - 1.
        bits, divides = self.record.bits, _interval(self.record.bits, (self.machine.divide_cycles, 0))
        if self.machine.drains > 1:
            # The digits of two positions are written one after the other.
            written = Cat(0, self.record.digits)
            divides = Mux((written > divides) & ~self.record.scores, written, divides)
        m.d.comb += [
            interval.eq(Mux(self.record.search, _interval(bits, SEARCH_CYCLES), divides)),
            self.shift.eq(self.tile | again),
            active.eq(self.shift | within),
            walk.end.eq(active & left[-1]),
        ]
        m.d.sync += [again.eq(walk.end & ~walk.last_round), within.eq(active & ~walk.end)]
        with m.If(walk.take):
            m.d.sync += [left.eq(interval), whole.eq(interval)]
        with m.Elif(active):
            m.d.sync += left.eq(Mux(walk.end, whole, left - 1))

    def _address_parameters(self, m: Module, walk: DrainWalk) -> ProgramAddress:
        """The next round's first word, from the cycle on in which it can begin."""
        m.submodules.parameters = words = ProgramAddress(
            width=len(self.parameter_address), replays=walk.order.spatial
        )
        last, streams = walk.round.place.last, walk.order.tiles_stream
        m.d.comb += [
            words.advance.eq(walk.end),
            words.restart.eq(walk.layer.last & last if streams else walk.layer.last),
            words.turn.layer.eq(last | walk.tile_turn if streams else last),
        ]
        # The divisor is read in a round's first cycle or its second, where the address may be the next round's.
        m.d.sync += self.parameter_address.eq(words.address)
        # A search takes 2**bits words a channel and never reads the first: so a candidate is its word's number.
        stride = Signal.like(words.stride)
        m.d.comb += words.stride.eq(stride)
        with m.If(walk.take):
            m.d.sync += stride.eq(Mux(self.record.search, 2 << self.record.bits, 1))
        return words

    def _replay(self, m: Module, walk: DrainWalk, words: ProgramAddress) -> None:
        """A position of the same strip and a pass of the same window take their tile's parameters again, a strip its
        layer's."""
        same_tile = walk.last_round & walk.loops.turns.window
        m.d.comb += [
            words.turn.window.eq(walk.again | same_tile if self.strips else same_tile),
            words.turn.tile.eq(walk.last_round & walk.loops.turns.tiles),
            words.turn.position.eq(walk.position_turn),
        ]

    def _pool(self, m: Module, walk: DrainWalk, count: Signal) -> None:
        """A window's passes: which one is first, and that only the last one's values are written."""
        # A register, not a comparison with place 0: nothing else counts the places of a window upwards.
        first = Signal()
        with m.If(walk.take):
            m.d.sync += first.eq(1)
        with m.Elif(walk.pass_end):
            m.d.sync += first.eq(~walk.loops.turns.window)
        m.d.comb += [
            walk.round.pool.first.eq(first),
            walk.round.pool.round.eq(count),
            walk.round.silent.eq(~walk.loops.lasts.window),
        ]

    def _connect_phases(self, m: Module, walk: DrainWalk) -> None:
        m.submodules.phases = phases = RoundPhases(self.machine)
        m.d.comb += [
            phases.begin.eq(self.shift),
            phases.round.eq(walk.round),
            self.parameter_enable.eq(phases.fetch),
            self.parameter_odd.eq(phases.odd),
        ]
        for name, member in phases.signature.members.items():
            if member.flow == Out and name in self.signature.members:
                m.d.comb += getattr(self, name).eq(getattr(phases, name))
