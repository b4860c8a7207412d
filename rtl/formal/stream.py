"""The rule that all streams share."""

from __future__ import annotations

from amaranth.hdl import Assert, Module, Signal, Value

__all__ = ["remain_until_accepted"]


def remain_until_accepted(m: Module, valid: Value, ready: Value, payload: Value) -> None:
    """Assert that what is offered stays, unchanged, until it is accepted."""
    waiting, offered = Signal(name="waiting"), Signal.like(payload, name="offered")
    m.d.sync += [waiting.eq(valid & ~ready), offered.eq(payload)]
    with m.If(waiting):
        m.d.comb += Assert(valid & (payload == offered), "an offer stays until it is accepted")
