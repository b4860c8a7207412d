"""What the parts of the drain walker share."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Signal, Value
from amaranth.lib.data import View

from bcsim.rtl.sequencer.loop import NestedLoops
from bcsim.rtl.sequencer.loop_order import LoopOrder

__all__ = ["DrainWalk"]


@dataclass(frozen=True, slots=True)
class DrainWalk:
    """A round in work, and what ends with it.

    layer, round : the record that is walked, behind `take`, and the round in work.
    take : a layer's first round can begin in the next cycle.
    end, pass_end : a round ends, and it is its pass's last.
    last_round : the round is its pass's last.
    again : the round is its position's last, and another position of the strip follows.
    """

    order: LoopOrder
    loops: NestedLoops
    layer: View
    round: View
    take: Signal
    end: Signal
    pass_end: Signal
    last_round: Signal
    again: Signal

    @property
    def written(self) -> Value:
        """A round ends whose values are written: one of its window's last pass."""
        return self.end & self.loops.lasts.window if self.order.spatial else self.end

    @property
    def tile_turn(self) -> Value:
        """The round is the last of a streamed tile, and another tile follows."""
        return self.last_round & self.order.tile_turn(self.loops)

    @property
    def position_turn(self) -> Value:
        """The round is its position's last, and another position follows."""
        return self.last_round & self.order.position_turn(self.loops)
