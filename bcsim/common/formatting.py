"""Numbers as people read them, the same on the terminal and in reports."""

from __future__ import annotations

__all__ = ["UNKNOWN", "count", "decibels", "energy", "percent", "rate", "ratio", "span"]

UNKNOWN = "–"
"""In place of a figure that nothing gives."""

ENERGY_UNITS = ((1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ"), (1.0, "pJ"))


def energy(picojoules: float) -> str:
    """Three significant figures and the largest unit that leaves a number of at least 1: 1.53 µJ."""
    for factor, unit in ENERGY_UNITS:
        if picojoules >= factor:
            return f"{significant(picojoules / factor)} {unit}"
    return "0" if picojoules == 0 else f"{picojoules:.2g} pJ"


def significant(value: float) -> str:
    """Three significant figures, no exponent, thousands apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percent(fraction: float | None, digits: int = 2) -> str:
    """98.71 %, or a dash where the fraction is unknown."""
    return UNKNOWN if fraction is None else f"{100 * fraction:.{digits}f} %"


def ratio(value: float) -> str:
    """×12.3"""
    return f"×{significant(value)}"


def microseconds(value: float) -> str:
    """2.43 µs"""
    return f"{significant(value)} µs"


def rate(per_second: float) -> str:
    """34,674 /s"""
    return f"{significant(per_second)} /s"


def count(value: float) -> str:
    """2,910,208, and a share as it is: 2,886.25"""
    return f"{value:,}"


def decibels(value: float | None) -> str:
    """33.5 dB, or a dash where there is no noise to speak of."""
    return UNKNOWN if value is None else f"{value:.1f} dB"


def parameter(value: object) -> str:
    """A machine parameter: 4,096, 100 or yes; a dash where it is empty."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    return f"{value:g}" if isinstance(value, float) else str(value) or UNKNOWN


def span(low: float, high: float) -> str:
    """-2..1.98"""
    return f"{low:.3g}..{high:.3g}"
