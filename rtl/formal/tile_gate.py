"""The tile gate, beside the tiles that are there and the layers that need them."""

from __future__ import annotations

from amaranth.hdl import Assert, Assume, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from bcsim.rtl.formal.stream import follows
from bcsim.rtl.sequencer.tile_gate import TileGate

__all__ = ["TileGateProof"]


class TileGateProof(wiring.Component):
    """Asserts that every step of a streamed layer comes while its tile is there, and that each tile is released once.

    - A tile is released with its last step, and with no other; layers whose weights do not stream release none.
    - Tiles take the slots by turns.
    - A layer whose tile is there waits for it no longer than 4 cycles; one that does not stream never waits.

    Assumed, as the issue walker and the weight loader see to it (WeightLoaderProof): no step comes while one is held
    back; a layer starts while none is walked; no more than two tiles are there.

    Parameters
    ----------
    heeded : bool
        Whether steps wait for the gate; without that the claims are wrong.

    Members
    -------
    complete : In(1)
        A tile's last word arrives.
    start, streamed, step, tile_turn, layer_end : In(1)
        As in TileGate; a step is issued where the layer has one and nothing holds it back.
    """

    def __init__(self, *, heeded: bool = True) -> None:
        self.heeded = heeded
        names = ("complete", "start", "streamed", "step", "tile_turn", "layer_end")
        super().__init__(dict.fromkeys(names, In(1)))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.gate = gate = TileGate()
        tiles, odd = Signal(2), Signal()
        walking, streamed = Signal(), Signal()
        step = self.step & walking & ~gate.starved if self.heeded else self.step & walking
        tile_end = step & streamed & (self.tile_turn | self.layer_end)
        m.d.comb += [
            gate.arrived.eq(tiles),
            gate.start.eq(self.start),
            gate.streamed.eq(self.streamed),
            gate.advance.eq(step),
            gate.tile_turn.eq(self.tile_turn),
            gate.layer_end.eq(self.layer_end),
            Assume(~(self.start & walking)),
            Assume(~(self.tile_turn & self.layer_end)),
            Assume(~self.complete | (tiles != 2)),
        ]
        m.d.sync += [tiles.eq(tiles + self.complete - gate.release), odd.eq(odd ^ tile_end)]
        with m.If(self.start):
            m.d.sync += [walking.eq(1), streamed.eq(self.streamed)]
        with m.Elif(step & self.layer_end):
            m.d.sync += walking.eq(0)
        m.d.comb += [
            Assert(~(step & streamed) | tiles.any(), "a step while its tile is there"),
            Assert(gate.release == tile_end, "a tile is released with its last step"),
            Assert(gate.switch == (tile_end & self.tile_turn), "the next step is in the other slot"),
            Assert(gate.odd == odd, "tiles take the slots by turns"),
            Assert(~walking | streamed | ~gate.starved, "no wait without a stream"),
            Assert(follows(m, walking & streamed & tiles.any(), ~gate.starved), "no wait for what is there"),
            Assert(gate.ready == tiles.any(), "a layer may start where its first tile is there"),
        ]
        return m
