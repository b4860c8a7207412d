"""The rules of AXI4-Stream (Arm IHI 0051) that a transmitter can break, one by one, for the output."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import SimpleNamespace

from amaranth.hdl import Assert, Module, Mux, Signal, Value

from bcsim.machine.parameters import Machine
from bcsim.rtl.formal.output import OutputProof
from bcsim.rtl.formal.stream import follows, low_after_reset, unchanged

__all__ = ["STREAM_RULES", "StreamRules"]

STREAM_RULES: Mapping[str, str] = {
    "TVALID after reset": "TVALID is low behind a reset (2.8.2)",
    "TVALID stays": "TVALID stays high until TREADY (2.2.1)",
    "TDATA stable": "TDATA stays as it is until TREADY (2.2.1)",
    "TLAST stable": "TLAST stays as it is until TREADY (2.2.1)",
    "TVALID free": "TVALID does not wait for TREADY (2.2.1)",
    "TLAST with the last": "TLAST is high with a packet's last word and no other (2.5)",
    "no word beyond": "a packet has its words and no more: here, a result's (2.5)",
}
"""By name: what each asks, and the section of the specification (issue B)."""


class StreamRules(OutputProof):
    """Asserts each of the rules for the output's stream, whatever scores the drain writes and the receiver takes.

    Parameters
    ----------
    machine, bits
        As in OutputProof.
    rules : collection of str
        Those that are asserted, of STREAM_RULES.
    spoil : function of the module and a namespace of the stream's signals as they are seen
        As in LiteRules.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        bits: int,
        rules: Collection[str] = tuple(STREAM_RULES),
        spoil: Callable[[Module, SimpleNamespace], None] | None = None,
    ) -> None:
        self.rules, self.spoil = tuple(rules), spoil
        super().__init__(machine, bits=bits)

    def _packet(self, m: Module, scores: list[Signal], complete: Signal, classes: Value) -> None:
        stream, seen = self.output.stream, SimpleNamespace()
        for name in ("tvalid", "tdata", "tlast", "tready"):
            setattr(seen, name, Signal.like(getattr(stream, name), name=f"seen_{name}"))
            m.d.comb += getattr(seen, name).eq(getattr(stream, name))
        if self.spoil:
            self.spoil(m, seen)
        sent = Signal(range(self.machine.outputs + 2))
        with m.If(self.output.sent):
            m.d.sync += sent.eq(0)
        with m.Elif(seen.tvalid & seen.tready):
            m.d.sync += sent.eq(Mux(sent == self.machine.outputs + 1, sent, sent + 1))
        valid, ready = seen.tvalid, seen.tready
        kept = {
            "TVALID after reset": low_after_reset(m, valid),
            "TVALID stays": unchanged(m, valid, ready, valid),
            "TDATA stable": unchanged(m, valid, ready, seen.tdata),
            "TLAST stable": unchanged(m, valid, ready, seen.tlast),
            "TVALID free": follows(m, complete, valid),
            "TLAST with the last": ~valid | (seen.tlast == (sent == classes + 1)),
            "no word beyond": ~valid | (complete & (sent <= classes + 1)),
        }
        m.d.comb += [Assert(kept[rule], rule) for rule in self.rules]
