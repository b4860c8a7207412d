"""Error over energy and over cycles as one drawing (SVG, without a drawing library)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

__all__ = ["plot"]

# One panel's drawing area and what surrounds it, in pixels.
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 320, 220, 48, 34, 30, 46
LINE = 18
COLOURS = ("#1f6fb2", "#c4511d", "#2e7d4f", "#7a4fa3", "#8a6d1d", "#444")

PANELS: Sequence[tuple[str, Callable[[Mapping[str, Any]], float]]] = (
    ("µJ an image", lambda row: row["energy_pj"] / 1e6),
    ("cycles an image", lambda row: row["cycles"]),
)


def plot(rows: Sequence[Mapping[str, Any]]) -> str:
    """`rows` of bench.gallery, each with a `label`, as SVG: costs on logarithmic axes, published errors hollow."""
    top = max(2.0, ceil(50 * max(row["error"] for row in rows)) * 2)
    parts: list[str] = []
    for index, (title, cost) in enumerate(PANELS):
        parts += _panel(index * (LEFT + WIDTH + RIGHT), title, [cost(row) for row in rows], rows, top)
    below = TOP + HEIGHT + BOTTOM
    for index, row in enumerate(rows):
        y, colour = below + LINE * (index + 0.5), COLOURS[index % len(COLOURS)]
        parts += [
            _dot(LEFT, y - 4, colour, row),
            _text(LEFT + 10, y, f"{row['label']}: {100 * row['error']:.2f} %", "start"),
        ]
    width, height = len(PANELS) * (LEFT + WIDTH + RIGHT), below + LINE * (len(rows) + 0.5)
    size = f'width="{width}" height="{height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>"]) + "\n"


def _panel(
    left: float, title: str, costs: Sequence[float], rows: Sequence[Mapping[str, Any]], top: float
) -> list[str]:
    first, last = floor(log10(min(costs))), max(ceil(log10(max(costs))), floor(log10(min(costs))) + 1)
    begin, end = left + LEFT, left + LEFT + WIDTH

    def across(cost: float) -> float:
        return begin + WIDTH * (log10(cost) - first) / (last - first)

    def up(percent: float) -> float:
        return TOP + HEIGHT * (1 - percent / top)

    parts = [_text((begin + end) / 2, 18, f"test error, % over {title}")]
    for percent in range(0, int(top) + 1, 2):
        parts.append(f'<path d="M{begin} {up(percent):.1f}H{end}" stroke="#ddd"/>')
        parts.append(_text(begin - 6, up(percent) + 4, str(percent), "end"))
    for power in range(first, last + 1):
        x = across(10.0**power)
        parts.append(f'<path d="M{x:.1f} {TOP}V{TOP + HEIGHT}" stroke="#ddd"/>')
        parts.append(_text(x, TOP + HEIGHT + LINE, f"{10.0**power:,g}" if power < 6 else f"10^{power}"))
    for index, (row, cost) in enumerate(zip(rows, costs, strict=True)):
        parts.append(_dot(across(cost), up(100 * row["error"]), COLOURS[index % len(COLOURS)], row))
    return parts


def _dot(x: float, y: float, colour: str, row: Mapping[str, Any]) -> str:
    fill = "none" if row.get("published") else colour
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{colour}" stroke-width="1.5"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#333">{text}</text>'
