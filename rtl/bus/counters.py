"""The performance counters, and the other registers that are words of their memory."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.axi import LITE_BITS
from bcsim.rtl.common.choice import chosen
from bcsim.rtl.common.loaded_memory import BLOCK
from bcsim.rtl.common.register_map import Register

__all__ = ["PLACE_BITS", "Counters", "EventLayout"]


class EventLayout(StructLayout):
    """What happens in a cycle and is counted.

    Members
    -------
    accepted : unsigned(1)
        An input word.
    sent : unsigned(1)
        An image's class, accepted by the receiver.
    step : unsigned(1)
    waits_input, waits_output, waits_drain, waits_weights : unsigned(1)
        As in IssueWalker; the last only where weights can `stream`.
    """

    def __init__(self, *, streams: bool = False) -> None:
        names = ("accepted", "sent", "step", "waits_input", "waits_output", "waits_drain")
        super().__init__(dict.fromkeys((*names, "waits_weights") if streams else names, 1))


CYCLES, NOW, CYCLES_HIGH, NOW_HIGH, BUS = "cycles", "now", "cycles_high", "now_high", "bus"

TURNS = (
    *(CYCLES, NOW, "images", CYCLES_HIGH, NOW_HIGH),
    *("steps", "stall_input", "stall_output", "stall_drain", BUS, "stall_weights"),
)
"""The order in which the memory's words take what is noted for them, and the bus reads or writes a word.

CYCLES comes right before NOW, so that it is read where NOW was at the result, and a high half three turns behind its
low one, when that one's carry has arrived.
"""

EVENTS: Mapping[str, str] = {
    "images": "sent",
    "steps": "step",
    "stall_input": "waits_input",
    "stall_output": "waits_output",
    "stall_drain": "waits_drain",
    "stall_weights": "waits_weights",
}
"""What the words count; NOW counts cycles."""

PLACES: Mapping[str, int] = {NOW: Register.CONTROL >> 2, NOW_HIGH: Register.STATUS >> 2} | {
    name: Register[name.upper()] >> 2 for name in TURNS if name not in (NOW, NOW_HIGH, BUS)
}
"""Words of the memory: those of the registers' addresses, so that the bus needs no other, and two of registers that
are elsewhere."""

INLINE = {**BLOCK, "bcsim_inline": 1}
"""A block memory whose first words need no file beside the Verilog."""

PLACE_BITS = 6
"""Of a register's number: its byte address by four."""

NOTED_BITS = len(TURNS).bit_length()


class Counters(wiring.Component):
    """Counts events from the first accepted input word on, in one memory and with one adder.

    Words take turns; what happens in between is noted in a few bits for each. Every counter has one turn in 10 cycles,
    in 11 where weights can stream, and so has the bus, for the memory's other words. Latency: from `asked` to `ready`
    and from `save` to its write 2 cycles and those until the turn.

    Parameters
    ----------
    streams : bool
        Whether weights can stream.
    others : mapping of int to int
        Words of the memory beside the counters, by place: what they hold at first.

    Members
    -------
    clear : In(1)
        Start over; the next accepted word is the first.
    events : In(EventLayout(streams))
    wanted : In(6)
        The word of a register: its address in 32-bit words.
    counter : In(1)
        It is a counter's, which has a turn of its own.
    asked : In(1)
        It is waited for; stays until `ready`.
    ready : Out(1)
        `value` is that word, with all events before its turn, which came behind `asked` or together with it.
    value : Out(32)
        CYCLES and CYCLES_HIGH: from the first accepted word to the latest class, both included. IMAGES, STEPS and
        the STALL registers: events, modulo 2**32.
    save : In(1)
        CHECKSUM shall hold `data`; stays until `saved`, and no other word is asked for meanwhile that is not a counter.
    data : In(32)
        In the cycle of `saved`.
    saved : Out(1)
    """

    def __init__(self, *, streams: bool = False, others: Mapping[int, int] | None = None) -> None:
        self.streams = streams
        self.names = TURNS if streams else TURNS[:-1]
        places = dict(others or {})
        words = [places.get(place, 0) for place in range(1 << PLACE_BITS)]
        self.words = memory.Memory(shape=LITE_BITS, depth=1 << PLACE_BITS, init=words, attrs=INLINE)
        super().__init__(
            {
                "clear": In(1),
                "events": In(EventLayout(streams=streams)),
                "wanted": In(PLACE_BITS),
                "counter": In(1),
                "asked": In(1),
                "ready": Out(1),
                "value": Out(LITE_BITS),
                "save": In(1),
                "data": In(LITE_BITS),
                "saved": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        turn, carry = Signal(len(self.names), init=1), Signal()
        # What the memory holds before the first start, or from before a reset, counts as 0.
        stale = Signal(len(self.names), init=(1 << len(self.names)) - 1)
        turns = dict(zip(self.names, turn, strict=True))
        source, place, addend = Signal(PLACE_BITS), Signal(PLACE_BITS), Signal(NOTED_BITS)
        copying = self._address(m, turns, source, place)
        onto = turns[BUS] & self.save
        noted = self._note(m, turns, copying)
        noted |= {CYCLES_HIGH: carry, NOW_HIGH: carry}
        m.d.comb += addend.eq(chosen((turns[name], value) for name, value in noted.items()))
        m.d.sync += [
            turn.eq(turn.rotate_left(1)),
            stale.eq((stale & ~turn) | self.clear.replicate(len(turn))),
            self.saved.eq(onto),
        ]
        old = Mux(turns[BUS], self.save, (stale & turn).any())
        self._add(m, source, place, addend, old, ~turns[BUS] | onto, carry)
        self._answer(m, Mux(turns[BUS], ~self.counter & ~self.save, place == self.wanted))
        return m

    def _address(self, m: Module, turns: Mapping[str, Value], source: Signal, place: Signal) -> Signal:
        """Drive the word to read and that to write; returns whether CYCLES takes what NOW is, not what it was."""
        copying, high = Signal(), Signal()
        with m.If(turns[CYCLES]):
            m.d.sync += high.eq(copying)
        words: dict[str, Value] = {name: Const(PLACES[name], PLACE_BITS) for name in turns if name != BUS}
        words[BUS] = Mux(self.save, Register.CHECKSUM >> 2, self.wanted)
        sources = words | {
            low: Mux(taken, PLACES[now], PLACES[low])
            for low, now, taken in ((CYCLES, NOW, copying), (CYCLES_HIGH, NOW_HIGH, high))
        }
        m.d.comb += [
            place.eq(chosen((turns[name], word) for name, word in words.items())),
            source.eq(chosen((turns[name], word) for name, word in sources.items())),
        ]
        return copying

    def _note(self, m: Module, turns: Mapping[str, Value], copying: Signal) -> dict[str, Value]:
        """What happened since a word's turn."""
        begun, counting = Signal(), Signal()
        noted: dict[str, Value] = {}
        m.d.comb += counting.eq(begun | self.events.accepted)
        m.d.sync += begun.eq(counting & ~self.clear)
        for name in turns:
            if name in EVENTS or name == NOW:
                note, after = (Signal(NOTED_BITS, name=f"{name}_{part}") for part in ("noted", "after"))
                happens = counting & self.events[EVENTS[name]] if name in EVENTS else counting
                m.d.comb += after.eq(Mux(turns[name], 0, note) + happens)
                m.d.sync += note.eq(Mux(self.clear, 0, after))
                noted[name] = note
                if name == NOW:
                    noted[CYCLES] = self._mark(m, turns, copying, counting & self.events.sent, after)
        return noted

    def _mark(
        self, m: Module, turns: Mapping[str, Value], copying: Signal, result: Value, cycles: Value
    ) -> Value:
        """The cycles from NOW's word to the latest result, for CYCLES; `cycles` are those that are noted for NOW."""
        mark = Signal(NOTED_BITS)
        with m.If(self.clear):
            m.d.sync += copying.eq(0)
        with m.Elif(result):
            m.d.sync += [copying.eq(1), mark.eq(cycles)]
        with m.Elif(turns[CYCLES]):
            m.d.sync += copying.eq(0)
        with m.Elif(turns[NOW]):
            # A result in the cycle of CYCLES' turn is where NOW's word is from its own turn on.
            m.d.sync += mark.eq(0)
        return Mux(copying, mark, 0)

    def _add(
        self,
        m: Module,
        source: Value,
        place: Value,
        addend: Value,
        old: Value,
        written: Value,
        carry: Signal,
    ) -> None:
        """A word and what is noted for it: read, taken from the memory, and written with the sum.

        old : what the memory holds counts as 0. written : else the word only passes by.
        """
        m.submodules.words = self.words
        read, write = self.words.read_port(), self.words.write_port()
        places, addends, writes = (
            [Signal.like(value, name=f"{name}_{stage}") for stage in (1, 2)]
            for name, value in (("place", place), ("addend", addend), ("written", written))
        )
        word, given, total, zero = Signal(LITE_BITS), Signal(LITE_BITS), Signal(LITE_BITS + 1), Signal()
        m.d.comb += [
            read.addr.eq(source),
            total.eq(word + (addends[1] | given)),
            write.addr.eq(places[1]),
            write.data.eq(total),
            write.en.eq(writes[1]),
            self.value.eq(total),
        ]
        m.d.sync += [
            Cat(*places).eq(Cat(place, places[0])),
            Cat(*addends).eq(Cat(addend, addends[0])),
            Cat(*writes).eq(Cat(written, writes[0])),
            zero.eq(old),
            word.eq(Mux(zero, 0, read.data)),
            given.eq(Mux(self.saved, self.data, 0)),
            carry.eq(total[-1]),
        ]

    def _answer(self, m: Module, found: Value) -> None:
        """`ready` when the word that is found is the sum."""
        asked = Signal(2)
        m.d.comb += self.ready.eq(asked[1])
        m.d.sync += asked.eq(Cat(self.asked & found, asked[0]))
