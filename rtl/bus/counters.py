"""The performance counters."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

__all__ = ["Counters", "EventLayout"]


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


class Counters(wiring.Component):
    """Counts events from the first accepted input word on.

    Parameters
    ----------
    streams : bool
        Whether weights can stream.

    Members
    -------
    clear : In(1)
        Start over; the next accepted word is the first.
    events : In(EventLayout(streams))
    cycles : Out(64)
        From the first accepted word to the latest class, both included.
    images, steps, stall_input, stall_output, stall_drain, stall_weights : Out(32)
        The last only where weights can stream.
    """

    def __init__(self, *, streams: bool = False) -> None:
        weights = ("stall_weights",) if streams else ()
        events = ("images", "steps", "stall_input", "stall_output", "stall_drain", *weights)
        self.streams = streams
        super().__init__(
            {
                "clear": In(1),
                "events": In(EventLayout(streams=streams)),
                "cycles": Out(64),
                **dict.fromkeys(events, Out(32)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        events = self.events
        begun, counting = Signal(), Signal()
        now = Signal.like(self.cycles)
        counted = (
            (self.images, events.sent),
            (self.steps, events.step),
            (self.stall_input, events.waits_input),
            (self.stall_output, events.waits_output),
            (self.stall_drain, events.waits_drain),
            *(((self.stall_weights, events.waits_weights),) if self.streams else ()),
        )
        m.d.comb += counting.eq(begun | events.accepted)
        with m.If(counting):
            m.d.sync += [begun.eq(1), now.eq(now + 1)]
            m.d.sync += [counter.eq(counter + event) for counter, event in counted]
            with m.If(events.sent):
                m.d.sync += self.cycles.eq(now + 1)
        with m.If(self.clear):
            m.d.sync += [begun.eq(0), now.eq(0), self.cycles.eq(0)]
            m.d.sync += [counter.eq(0) for counter, _ in counted]
        return m
