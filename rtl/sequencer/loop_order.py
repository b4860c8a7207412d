"""The order of the walkers' loops: on a machine without convolutions, with them, and where weights can stream too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from operator import and_, or_

from amaranth.hdl import Const, Value

from bcsim.machine.parameters import Machine
from bcsim.rtl.sequencer.loop import NestedLoops

__all__ = ["STRIP", "LoopOrder", "drain_order", "issue_order", "with_strips"]


@dataclass(frozen=True, slots=True)
class LoopOrder:
    """A walker's loops from the innermost out, named as in the record, and what their trips are.

    window : loops over the passes of a pooling window.
    tiles, positions : loops over those of a layer. A layer whose weights stream has its tiles in the outermost, and
        one trip in the loop of tiles within the positions; another one the other way round.
    """

    names: tuple[str, ...]
    tiles: tuple[str, ...] = ("tiles",)
    window: tuple[str, ...] = ()
    positions: tuple[str, ...] = ()

    @property
    def spatial(self) -> bool:
        return bool(self.positions)

    @property
    def tiles_stream(self) -> bool:
        """Whether tiles can be outside of the positions."""
        return len(self.tiles) > 1

    @property
    def strips(self) -> bool:
        """Whether a weight word is used for several positions."""
        return STRIP in self.names

    @property
    def short(self) -> dict[str, str]:
        """As in NestedLoops: a row's last strip may have fewer positions."""
        return {STRIP: "columns"} if self.strips else {}

    def within(self, name: str) -> str:
        """The loop just within this one."""
        return self.names[self.names.index(name) - 1]

    def lasts_around(self, name: str, loops: NestedLoops) -> Value:
        """All loops around this one are in their last trip."""
        around = self.names[self.names.index(name) + 1 :]
        return reduce(and_, (loops.lasts[outer] for outer in around))

    def last_pass(self, loops: NestedLoops) -> Value:
        """The layer's."""
        return loops.ends[self.names[-1]]

    def last_tile(self, loops: NestedLoops) -> Value:
        return reduce(and_, (loops.lasts[name] for name in self.tiles))

    def tile_turn(self, loops: NestedLoops) -> Value:
        """Another tile of those that stream follows, once this one has been computed at all positions."""
        return loops.turns[self.names[-1]]

    def window_turn(self, loops: NestedLoops) -> Value:
        """Another pass of the same window follows."""
        return _any(loops, self.window)

    def position_turn(self, loops: NestedLoops) -> Value:
        """Another position follows."""
        return _any(loops, self.positions)


def _any(loops: NestedLoops, names: tuple[str, ...]) -> Value:
    return reduce(or_, (loops.turns[name] for name in names)) if names else Const(0)


STRIP = "strip"
"""The positions of a strip: around the digits, so that a weight word serves all digits of all of them."""

PASS = ("digits", "chunks", "kernel_columns", "kernel_rows", "sources", "planes")
"""A pass of a spatial machine; its windows go around it."""

DENSE_ISSUE = LoopOrder(("digits", "chunks", "planes", "tiles"))
SPATIAL_ISSUE = LoopOrder(
    (*PASS, "window_columns", "window_rows", "tiles", "columns", "rows"),
    window=("window_columns", "window_rows"),
    positions=("columns", "rows"),
)
STREAMED_ISSUE = LoopOrder(
    (*SPATIAL_ISSUE.names, "streamed_tiles"),
    tiles=("tiles", "streamed_tiles"),
    window=SPATIAL_ISSUE.window,
    positions=SPATIAL_ISSUE.positions,
)

# Around the rounds of a pass.
DENSE_DRAIN = LoopOrder(("tiles",))
SPATIAL_DRAIN = LoopOrder(("window", "tiles", "positions"), window=("window",), positions=("positions",))
STREAMED_DRAIN = LoopOrder(
    (*SPATIAL_DRAIN.names, "streamed_tiles"),
    tiles=("tiles", "streamed_tiles"),
    window=SPATIAL_DRAIN.window,
    positions=SPATIAL_DRAIN.positions,
)


def issue_order(machine: Machine) -> LoopOrder:
    """Around a step."""
    if not machine.spatial:
        return DENSE_ISSUE
    order = STREAMED_ISSUE if machine.weight_stream_bytes else SPATIAL_ISSUE
    return with_strips(order) if machine.reuse > 1 else order


def with_strips(order: LoopOrder) -> LoopOrder:
    """The same with a strip of positions for every chunk; `columns` then counts strips."""
    digits, *around = order.names
    return replace(order, names=(digits, STRIP, *around))


def drain_order(machine: Machine) -> LoopOrder:
    """Around the rounds of a pass."""
    if not machine.spatial:
        return DENSE_DRAIN
    return STREAMED_DRAIN if machine.weight_stream_bytes else SPATIAL_DRAIN
