"""Max pooling, one bit at a time: the greater or lesser of a value and the one kept for its channel."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.require import require_positive

__all__ = ["Pool"]


class Pool(wiring.Component):
    """Compares a value's bits, as they are decided from the most significant down, with those of the kept one.

    Latency: 0 from the last bit to `result`; a value at most every cycle.

    Parameters
    ----------
    rounds : int
        Values kept: the rounds of a pass.
    width : int
        Bits of a value.

    Members
    -------
    load, step, done : In(1)
        As in Requantiser.
    probe : In(width)
        One-hot: the bit that `step` decides.
    bit : In(1)
        How it decides.
    value : In(width)
        The decided bits, complete in the cycle of `done`.
    first : In(1)
        The window's first pass: nothing is kept for it yet.
    minimum : In(1)
        Keep the lesser.
    round : In(range(rounds))
        Of the pass.
    result : Out(width)
        In the cycle of `done`.
    """

    def __init__(self, *, rounds: int, width: int) -> None:
        require_positive("Rounds", rounds)
        require_positive("Width", width)
        self.rounds, self.width = rounds, width
        super().__init__(
            {
                "load": In(1),
                "step": In(1),
                "done": In(1),
                "probe": In(width),
                "bit": In(1),
                "value": In(width),
                "first": In(1),
                "minimum": In(1),
                "round": In(range(rounds)),
                "result": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.kept = kept = memory.Memory(shape=self.width, depth=max(2, self.rounds), init=[])
        read, write = kept.read_port(domain="comb"), kept.write_port()
        differ, greater, kept_bit, wins = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            read.addr.eq(self.round),
            kept_bit.eq((read.data & self.probe).any()),
            wins.eq(self.first | (Mux(differ, greater, self.bit & ~kept_bit) ^ self.minimum)),
            self.result.eq(Mux(wins, self.value, read.data)),
            write.addr.eq(self.round),
            write.data.eq(self.result),
            write.en.eq(self.done),
        ]
        with m.If(self.load):
            m.d.sync += differ.eq(0)
        with m.Elif(self.step & ~differ):
            m.d.sync += [differ.eq(self.bit ^ kept_bit), greater.eq(self.bit)]
        return m
