"""The rules that all channels of valid and ready share."""

from __future__ import annotations

from amaranth.hdl import Assert, Module, Mux, ResetSignal, Signal, Value

__all__ = ["follows", "low_after_reset", "remain_until_accepted", "unchanged"]

PATIENCE = 4
"""Cycles within which a side that nothing holds back must act."""


def remain_until_accepted(m: Module, valid: Value, ready: Value, payload: Value) -> None:
    """Assert that what is offered stays, unchanged, until it is accepted."""
    m.d.comb += [
        Assert(unchanged(m, valid, ready, valid), "an offer stays until it is accepted"),
        Assert(unchanged(m, valid, ready, payload), "and as it is"),
    ]


def low_after_reset(m: Module, valid: Value) -> Value:
    """Whether nothing is offered in the cycle behind one of a reset, nor in the first."""
    reset = Signal(init=1, reset_less=True, name="was_reset")
    m.d.sync += reset.eq(ResetSignal())
    return ~(reset & valid)


def unchanged(m: Module, valid: Value, ready: Value, payload: Value) -> Value:
    """Whether a payload is what it was in the cycle before, if it was offered then and not taken."""
    waiting, offered = Signal(name="waiting"), Signal.like(payload, name="offered")
    m.d.sync += [waiting.eq(valid & ~ready), offered.eq(payload)]
    return ~waiting | (payload == offered)


def follows(m: Module, cause: Value, effect: Value) -> Value:
    """Whether the cause has not yet lasted for PATIENCE cycles without the effect."""
    waited, due = Signal(range(PATIENCE + 1), name="waited"), cause & ~effect
    m.d.sync += waited.eq(Mux(due, waited + (waited != PATIENCE), 0))
    return waited != PATIENCE
