"""Registers one behind the other, for wires that cross a large die."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, ValueLike

__all__ = ["delayed"]


def delayed(m: Module, value: ValueLike, cycles: int, name: str) -> Value:
    """The value as it was `cycles` before, in that many registers, which keep what they hold through a reset."""
    last = Value.cast(value)
    for cycle in range(1, cycles + 1):
        register = Signal(len(last), name=f"{name}_{cycle}_later", reset_less=True)
        m.d.sync += register.eq(last)
        last = register
    return last
