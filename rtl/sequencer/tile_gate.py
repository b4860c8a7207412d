"""The tile gate: holds the issue walker back until a streamed tile's weights are there."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["TileGate"]


class TileGate(wiring.Component):
    """Which slot a streamed tile is in, whether its words have arrived, and when they are no longer needed.

    A tile's first step is allowed from the second cycle on in which `arrived` counts it.

    Members
    -------
    arrived : In(2)
        Tiles in the slots.
    release : Out(1)
        The last step of one of them.
    ready : Out(1)
        A layer whose weights stream may start in the next cycle.
    start, streamed : In(1)
        A layer starts in the next cycle; its weights stream.
    advance : In(1)
        A step is issued.
    tile_turn, layer_end : In(1)
        It is its tile's last at all positions, and another tile follows, or none.
    switch : Out(1)
        The next step's weights are in the other slot.
    starved : Out(1)
        The step to come waits for its weights.
    odd : Out(1)
        The slot of the tile that is computed; between layers, of the next one.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "arrived": In(2),
                "release": Out(1),
                "ready": Out(1),
                "start": In(1),
                "streamed": In(1),
                "advance": In(1),
                "tile_turn": In(1),
                "layer_end": In(1),
                "switch": Out(1),
                "starved": Out(1),
                "odd": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        active, first, there = Signal(), Signal(), Signal()
        m.d.comb += [
            self.ready.eq(self.arrived != 0),
            self.switch.eq(self.advance & active & self.tile_turn),
            self.release.eq(self.switch | (self.advance & active & self.layer_end)),
            self.starved.eq(active & first & ~there),
        ]
        # With `arrived` of the cycle before: a tile that leaves in it does not count, one that has come since waits.
        m.d.sync += [
            there.eq(self.arrived[1] | (self.arrived[0] & ~self.release)),
            self.odd.eq(self.odd ^ self.release),
        ]
        with m.If(self.start):
            m.d.sync += [active.eq(self.streamed), first.eq(1)]
        with m.Elif(self.advance):
            m.d.sync += first.eq(self.tile_turn)
        return m
