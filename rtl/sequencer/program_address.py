"""The address of weights or parameters: in order, and again for windows and positions."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.require import require_positive

__all__ = ["ProgramAddress", "TurnLayout"]


class TurnLayout(StructLayout):
    """What comes behind a word; none of them within a pass.

    Members
    -------
    window : unsigned(1)
        The tile's next pass, on the same words.
    tile : unsigned(1)
        The next tile.
    position : unsigned(1)
        The next position, on the layer's words.
    layer : unsigned(1)
        The next layer.
    """

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(("window", "tile", "position", "layer"), 1))


class ProgramAddress(wiring.Component):
    """Goes through a program's words; where it replays, through a layer's once for every position, and through a
    tile's for every pass of a window.

    Latency: 1 cycle from `advance` or `jump` to `address`.

    Parameters
    ----------
    width : int
    replays : bool
    jumps : bool
        Whether it can go on elsewhere.

    Members
    -------
    advance : In(1)
    stride : In(width)
        Words to the next one where nothing is read again.
    turn : In(TurnLayout())
        Where it does not replay, only `layer` counts.
    restart : In(1)
        The next layer is the program's first.
    jump : In(1)
        Only where it jumps: what comes next begins at `target`, as behind a layer.
    target : In(width)
    address : Out(width)
    """

    def __init__(self, *, width: int, replays: bool, jumps: bool = False) -> None:
        require_positive("Width", width)
        self.width, self.replays, self.jumps = width, replays, jumps
        super().__init__(
            {
                "advance": In(1),
                "stride": In(width),
                "turn": In(TurnLayout()),
                "restart": In(1),
                "address": Out(width),
                **({"jump": In(1), "target": In(width)} if jumps else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        restart = self.turn.layer & self.restart
        if not self.replays and not self.jumps:
            # A restart is the flip-flops' own, without a LUT a bit.
            with m.If(self.advance & restart):
                m.d.sync += self.address.eq(0)
            with m.Elif(self.advance):
                m.d.sync += self.address.eq(self.address + self.stride)
            return m
        following = Signal(self.width)
        onward = Mux(restart, 0, self.address + self.stride)
        advance, jump = self.advance, self.jump if self.jumps else Const(0)
        chosen = self._replay(m, following, onward, jump) if self.replays else onward
        m.d.comb += following.eq(Mux(jump, self.target, chosen) if self.jumps else chosen)
        with m.If(advance | jump if self.jumps else advance):
            m.d.sync += self.address.eq(following)
        return m

    def _replay(self, m: Module, following: Signal, onward: Value, jump: Value) -> Value:
        of_tile, of_layer = Signal(self.width), Signal(self.width)
        turn = self.turn
        new_tile, new_layer = (
            self.advance & (turn.tile | turn.position | turn.layer),
            self.advance & turn.layer,
        )
        with m.If(new_tile | jump if self.jumps else new_tile):
            m.d.sync += of_tile.eq(following)
        with m.If(new_layer | jump if self.jumps else new_layer):
            m.d.sync += of_layer.eq(following)
        return Mux(turn.window, of_tile, Mux(turn.position, of_layer, onward))
