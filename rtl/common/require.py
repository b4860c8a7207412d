"""Checks of components' parameters."""

from __future__ import annotations

from bcsim.machine.parameters import Machine

__all__ = ["require_machine", "require_positive"]


def require_machine(machine: object) -> None:
    """Raise TypeError unless `machine` is a Machine."""
    if not isinstance(machine, Machine):
        raise TypeError(f"Machine must be a Machine, not {machine!r}")


def require_positive(noun: str, value: object) -> None:
    """Raise TypeError unless `value` is an integer, ValueError unless it is at least 1."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{noun} must be an integer, not {value!r}")
    if value < 1:
        raise ValueError(f"{noun} must be at least 1, not {value!r}")
