"""The address of weights or parameters: in order, and again for windows and positions."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from bcsim.rtl.checks import require_positive

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

    Latency: 1 cycle from `advance` to `address`.

    Parameters
    ----------
    width : int
    replays : bool

    Members
    -------
    advance : In(1)
    stride : In(width)
        Words to the next one where nothing is read again.
    turn : In(TurnLayout())
        Where it does not replay, only `layer` counts.
    restart : In(1)
        The next layer is the program's first.
    address : Out(width)
    """

    def __init__(self, *, width: int, replays: bool) -> None:
        require_positive("Width", width)
        self.width, self.replays = width, replays
        super().__init__(
            {
                "advance": In(1),
                "stride": In(width),
                "turn": In(TurnLayout()),
                "restart": In(1),
                "address": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        following = Signal(self.width)
        onward = Mux(self.turn.layer & self.restart, 0, self.address + self.stride)
        m.d.comb += following.eq(self._replay(m, following, onward) if self.replays else onward)
        with m.If(self.advance):
            m.d.sync += self.address.eq(following)
        return m

    def _replay(self, m: Module, following: Signal, onward: Value) -> Value:
        of_tile, of_layer = Signal(self.width), Signal(self.width)
        turn = self.turn
        with m.If(self.advance & (turn.tile | turn.position | turn.layer)):
            m.d.sync += of_tile.eq(following)
        with m.If(self.advance & turn.layer):
            m.d.sync += of_layer.eq(following)
        return Mux(turn.window, of_tile, Mux(turn.position, of_layer, onward))
