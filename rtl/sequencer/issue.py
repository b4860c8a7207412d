"""The issue walker: one step a cycle through a program's loop nests."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.data import View

from bcsim.machine.latency import LAYER_GAP, longest_wait, round_cycles
from bcsim.machine.parameters import Machine
from bcsim.machine.widths import QUOTIENT_BITS
from bcsim.rtl.common.layouts import tile_rounds
from bcsim.rtl.common.record_reader import RecordReader
from bcsim.rtl.common.records import issue_layout, trip_widths
from bcsim.rtl.common.require import require_machine
from bcsim.rtl.sequencer.issue_signature import IssueSignature
from bcsim.rtl.sequencer.loop import NestedLoops
from bcsim.rtl.sequencer.loop_order import LoopOrder, issue_order
from bcsim.rtl.sequencer.program_address import ProgramAddress
from bcsim.rtl.sequencer.tile_gate import TileGate
from bcsim.rtl.sequencer.window_walk import WindowWalk

__all__ = ["IssueWalker"]


@dataclass(frozen=True, slots=True)
class IssueWalk:
    """What the parts of the issue walker share.

    layer : the record that is walked, behind `go`.
    go : a layer starts in the next cycle.
    idle : no layer is walked.
    layer_end : the step to come is the layer's last.
    """

    order: LoopOrder
    loops: NestedLoops
    layer: View
    go: Signal
    idle: Signal
    layer_end: Signal

    @property
    def chunk_end(self) -> Value:
        """The step is its chunk's last: the next one takes another weight word."""
        return self.loops.ends[self.order.within("chunks")]


class IssueWalker(wiring.Component):
    """The reading half of the sequencer: addresses and flags of one step a cycle, layer after layer.

    Throughput: one step a cycle, but for `LAYER_GAP - 1` cycles between layers and the waits of docs/machine.md.
    The first layer can start 2 cycles after reset, when its record has arrived.

    Parameters
    ----------
    machine : Machine
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        super().__init__(IssueSignature(machine))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout, order = issue_layout(self.machine), issue_order(self.machine)
        m.submodules.loops = loops = NestedLoops(
            widths=trip_widths(self.machine, layout, order.names), short=order.short
        )
        m.submodules.reader = reader = RecordReader(layers=self.machine.layers)
        record, step, ends = self.record, self.step, loops.ends
        layer = Signal(layout)
        go, idle, held, layer_end = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.record_address.eq(reader.address),
            reader.take.eq(go),
            reader.last.eq(record.last),
            loops.start.eq(go),
            loops.idle.eq(idle),
            loops.advance.eq(step.valid),
            *(loops.counts[name].eq(record[name]) for name in order.names),
            *(loops.short_counts[name].eq(record[f"short_{name}"]) for name in order.short),
            layer_end.eq(order.last_pass(loops)),
            step.last_digit.eq(ends.digits),
            step.last.eq(ends.planes),
            self.reserve.eq(go & record.scores),
            self.release.eq(step.valid & layer_end & layer.first),
        ]
        with m.If(go):
            m.d.sync += layer.eq(record)
        walk = IssueWalk(order, loops, layer, go, idle, layer_end)
        gate = self._gate_tiles(m, walk) if self.machine.weight_stream_bytes else None
        self._sequence(m, walk, held, reader.ready, gate)
        self._hold(m, walk, held)
        base = self._input_base(m)
        if self.machine.activation_banks > 1:
            self._note_bank(m, walk, base)
        if order.spatial:
            self._walk_windows(m, walk, base)
        else:
            self._walk_words(m, walk, base)
        self._address_weights(m, walk, gate)
        if self.machine.shift_planes:
            self._double(m, walk)
        if order.strips:
            self._choose_accumulator(m, walk)
        return m

    def _gate_tiles(self, m: Module, walk: IssueWalk) -> TileGate:
        """What holds steps back whose weights have not arrived."""
        m.submodules.gate = gate = TileGate()
        m.d.comb += [
            gate.arrived.eq(self.tiles_arrived),
            self.release_tile.eq(gate.release),
            gate.start.eq(walk.go),
            gate.streamed.eq(self.record.streamed),
            gate.advance.eq(self.step.valid),
            gate.tile_turn.eq(walk.order.tile_turn(walk.loops)),
            gate.layer_end.eq(walk.layer_end),
        ]
        return gate

    def _sequence(
        self, m: Module, walk: IssueWalk, held: Signal, ready: Signal, gate: TileGate | None
    ) -> None:
        """When a layer's first step, a tile's last one and a streamed tile's first one may be issued."""
        record, go = self.record, walk.go
        # Nothing came before the first layer: its wait is over at reset. It stops at the wait, never to wrap around.
        bits = min(len(record.wait), longest_wait(self.machine).bit_length())
        elapsed = Signal(bits, init=(1 << bits) - 1)
        waited, image, space = Signal(), Signal(), Signal()
        startable = ready & waited & image & space
        m.d.comb += waited.eq(elapsed >= record.wait[:bits])
        with m.FSM() as state:
            with m.State("Wait"):
                weights = gate.ready | ~record.streamed if gate else None
                m.d.comb += [
                    image.eq(self.loaded | ~record.first),
                    space.eq(self.output_free | ~record.scores),
                    go.eq(startable if weights is None else startable & weights),
                    self.waits_drain.eq(ready & ~waited),
                    self.waits_input.eq(ready & waited & ~image),
                    self.waits_output.eq(ready & waited & image & ~space),
                ]
                if weights is not None:
                    m.d.comb += self.waits_weights.eq(startable & ~weights)
                with m.If(~waited):
                    m.d.sync += elapsed.eq(elapsed + 1)
                with m.If(go):
                    m.next = "Walk"
            with m.State("Walk"):
                m.d.sync += elapsed.eq(LAYER_GAP)
                drains = walk.loops.ends.planes & held
                m.d.comb += [
                    self.waits_drain.eq(drains & ~gate.starved if gate else drains),
                    self.step.valid.eq(~self.waits_drain & ~gate.starved if gate else ~self.waits_drain),
                ]
                if gate:
                    m.d.comb += self.waits_weights.eq(gate.starved)
                with m.If(self.step.valid & walk.layer_end):
                    m.next = "Wait"
        m.d.comb += walk.idle.eq(state.ongoing("Wait"))

    def _hold(self, m: Module, walk: IssueWalk, held: Signal) -> None:
        """Hold back a tile's last step until the requantisers are done with the tile before.

        Two of the drain's cycles go by from the last step to the next that this holds back; behind a layer's last
        tile only one, which gives the drain walker a cycle to change records.
        """
        layer, last_tile = walk.layer, walk.order.last_tile(walk.loops)
        drain = Mux(last_tile, layer.drain_last, layer.drain_full)
        widest = len(layer.drain_full)
        if walk.order.strips:
            short = Mux(last_tile, layer.short_drain_last, layer.short_drain_full)
            drain = Mux(walk.loops.lasts.columns, short, drain)
            widest = max(widest, len(layer.short_drain_full))
        most = self.machine.reuse * tile_rounds(self.machine) * round_cycles(QUOTIENT_BITS, search=True)
        most = min(most, (1 << widest) - 1)
        # Counts down to -1, whose sign is the answer: a comparison of 6 to 9 bits (on the
        # presets) would be in the path of every step.
        left = Signal(signed(most.bit_length() + 1), init=-1)
        m.d.comb += held.eq(~left[-1])
        # That it is the layer's last follows from the loops around it: none of those within is waited for.
        layer_end = walk.order.lasts_around("planes", walk.loops)
        with m.If(self.step.valid & self.step.last):
            m.d.sync += left.eq(drain[: most.bit_length()] + Cat(layer_end, 1).as_signed())
        with m.Elif(held):
            m.d.sync += left.eq(left - 1)

    def _input_base(self, m: Module) -> Value:
        """Where the layer to come reads."""
        odd = Signal()
        if self.machine.input_buffers == 2:
            m.d.sync += odd.eq(odd ^ self.release)
        return Mux(self.record.first & odd, self.record.read_base_odd, self.record.read_base)

    def _note_bank(self, m: Module, walk: IssueWalk, base: Value) -> None:
        """Whether the layer that is walked reads the first activation memory; the highest bit of its base says so."""
        top = len(self.activation_address) - 1
        first = Signal()
        with m.If(walk.go):
            m.d.sync += first.eq(~base.bit_select(top, 1))
        with m.Elif(self.step.valid & walk.layer_end):
            m.d.sync += first.eq(0)
        m.d.comb += self.reading.eq(first)

    def _walk_words(self, m: Module, walk: IssueWalk, base: Value) -> None:
        """The input tensor's words in order, again for every plane and tile."""
        again = Signal.like(self.activation_address)
        with m.If(walk.go):
            m.d.sync += [self.activation_address.eq(base), again.eq(base)]
        with m.Elif(self.step.valid):
            m.d.sync += self.activation_address.eq(
                Mux(walk.loops.ends.chunks, again, self.activation_address + 1)
            )

    def _walk_windows(self, m: Module, walk: IssueWalk, base: Value) -> None:
        """The words of every window."""
        m.submodules.windows = windows = WindowWalk(self.machine)
        m.d.comb += [
            windows.start.eq(walk.go),
            windows.record.eq(self.record),
            windows.base.eq(base),
            windows.layer.eq(walk.layer),
            windows.advance.eq(self.step.valid),
            windows.turns.eq(walk.loops.turns),
            windows.ends.eq(walk.loops.ends),
            self.activation_address.eq(windows.address),
            self.pad.eq(windows.pad),
            self.pad_digit.eq(windows.pad_digit),
        ]

    def _address_weights(self, m: Module, walk: IssueWalk, gate: TileGate | None) -> None:
        """The next weight word with every chunk, through all layers."""
        m.submodules.weights = words = ProgramAddress(
            width=len(self.weight_address), replays=walk.order.spatial, jumps=gate is not None
        )
        order, loops, chunk_end = walk.order, walk.loops, walk.chunk_end
        first_digit = Signal()
        m.d.comb += [
            self.weight_enable.eq(self.step.valid & first_digit),
            self.weight_address.eq(words.address),
            words.advance.eq(self.step.valid & chunk_end),
            words.stride.eq(1),
            words.restart.eq(walk.layer.last),
            words.turn.layer.eq(walk.layer_end),
        ]
        if order.spatial:
            m.d.comb += [
                words.turn.window.eq(order.window_turn(loops)),
                words.turn.tile.eq(loops.turns.tiles),
                words.turn.position.eq(order.position_turn(loops)),
            ]
        if gate:
            record, layer = self.record, walk.layer
            begin = Mux(record.streamed & gate.odd, record.weight_base_odd, record.weight_base)
            m.d.comb += [
                words.jump.eq(walk.go | gate.switch),
                words.target.eq(Mux(walk.go, begin, Mux(gate.odd, layer.weight_base, layer.weight_base_odd))),
            ]
        with m.If(walk.go):
            m.d.sync += first_digit.eq(1)
        with m.Elif(self.step.valid):
            m.d.sync += first_digit.eq(chunk_end)

    def _double(self, m: Module, walk: IssueWalk) -> None:
        """Bit b of `doubles` in the first chunk of plane b."""
        ends, whole = walk.loops.ends, walk.layer.doubles
        plane_end = ends[walk.order.within("planes")]
        # Shifted by one a plane and whole again for the next pass, instead of a multiplexer over 16 planes.
        doubles = Signal.like(whole)
        first_chunk = Signal()
        m.d.comb += self.step.double.eq(first_chunk & doubles[0])
        with m.If(walk.go):
            m.d.sync += [doubles.eq(self.record.doubles), first_chunk.eq(1)]
        with m.Elif(self.step.valid & walk.chunk_end):
            m.d.sync += first_chunk.eq(plane_end)
            with m.If(plane_end):
                m.d.sync += doubles.eq(Mux(ends.planes, whole, doubles >> 1))

    def _choose_accumulator(self, m: Module, walk: IssueWalk) -> None:
        """Which accumulator the step adds to: its position's, in the set that the pass before does not drain from."""
        ends, advance = walk.loops.ends, self.step.valid
        place, odd = Signal(len(self.step.accumulator) - 1, name="place"), Signal(name="odd")
        m.d.comb += self.step.accumulator.eq(Cat(place, odd))
        with m.If(walk.go):
            m.d.sync += self.step.first.eq(1)
        with m.Elif(advance & walk.chunk_end):
            m.d.sync += self.step.first.eq(ends.planes)
        with m.If(advance & ends.digits):
            m.d.sync += place.eq(Mux(walk.chunk_end, 0, place + 1))
        with m.If(advance & ends.planes):
            m.d.sync += odd.eq(~odd)
