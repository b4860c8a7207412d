"""Test error over the probability of a flipped bit, on a logarithmic axis, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

__all__ = ["plot"]

# The drawing area and what surrounds it, in pixels.
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 420, 220, 56, 36, 20, 48
COLOUR = "#1f6fb2"


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#333">{text}</text>'


def plot(rows: Sequence[Mapping[str, Any]], title: str) -> str:
    """`rows` of bench.bit_flips as SVG; the error without flips is a dashed line."""
    flipped = [row for row in rows if row["rate"] > 0]
    low, high = (log10(edge(row["rate"] for row in flipped)) for edge in (min, max))
    first, last = floor(low), ceil(high)
    top = 10 * ceil(10 * max(row["error"] for row in rows) + 1e-9)

    def x(rate: float) -> float:
        return LEFT + WIDTH * (log10(rate) - first) / (last - first)

    def y(error: float) -> float:
        return TOP + HEIGHT * (1 - 100 * error / top)

    parts = [_text(LEFT + WIDTH / 2, 20, title)]
    for percent in range(0, top + 1, 10):
        parts.append(f'<path d="M{LEFT} {y(percent / 100):.1f}H{LEFT + WIDTH}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y(percent / 100) + 4, f"{percent} %", "end"))
    for power in range(first, last + 1):
        parts.append(_text(x(10.0**power), TOP + HEIGHT + 18, f"1e{power}"))
    parts.append(_text(LEFT + WIDTH / 2, TOP + HEIGHT + 38, "probability that a stored bit is flipped"))
    for row in rows:
        if row["rate"] == 0:
            parts.append(
                f'<path d="M{LEFT} {y(row["error"]):.1f}h{WIDTH}" stroke="#888" stroke-dasharray="4 3"/>'
            )
    line = "L".join(f"{x(row['rate']):.1f} {y(row['error']):.1f}" for row in flipped)
    parts.append(f'<path d="M{line}" fill="none" stroke="{COLOUR}" stroke-width="1.5"/>')
    parts += [
        f'<circle cx="{x(row["rate"]):.1f}" cy="{y(row["error"]):.1f}" r="3.5" fill="{COLOUR}"/>'
        for row in flipped
    ]
    size = f'width="{LEFT + WIDTH + RIGHT}" height="{TOP + HEIGHT + BOTTOM}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>"]) + "\n"
