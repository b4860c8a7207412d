"""Error, cycles and energy over activation bits as one drawing (SVG, without a drawing library)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

__all__ = ["plot"]

# One panel's drawing area and what surrounds it, in pixels.
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 230, 180, 52, 34, 18, 44
COLOURS = {"after training": "#1f6fb2", "in training": "#c4511d"}
TICKS = 4

PANELS: Sequence[tuple[str, Callable[[Mapping[str, Any]], float]]] = (
    ("test error, %", lambda row: 100 * row["program_error"]),
    ("cycles an image", lambda row: row["cycles"]),
    ("nJ an image", lambda row: row["energy_pj"] / 1000),
)


@dataclass(frozen=True, slots=True)
class _Panel:
    """A panel by its left edge, the bits on its x axis, widest first, and the top of its y axis, which starts at 0."""

    left: float
    bits: tuple[int, ...]
    top: float

    def x(self, bits: int) -> float:
        return self.left + LEFT + (self.bits.index(bits) + 0.5) * WIDTH / len(self.bits)

    def y(self, value: float) -> float:
        return TOP + HEIGHT * (1 - value / self.top)


def _step(greatest: float) -> float:
    """1, 2, 2.5 or 5 times a power of ten, of which TICKS reach `greatest`."""
    least = greatest / TICKS
    power = 10.0 ** floor(log10(least))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * (1 - 1e-9))


def _text(x: float, y: float, text: str, anchor: str = "middle", colour: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'


def _axes(panel: _Panel, title: str, step: float) -> list[str]:
    left, right = panel.left + LEFT, panel.left + LEFT + WIDTH
    parts = [_text((left + right) / 2, 18, title)]
    for tick in range(ceil(panel.top / step - 1e-9) + 1):
        y = panel.y(tick * step)
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="#ddd"/>')
        parts.append(_text(left - 6, y + 4, f"{tick * step:,g}", "end"))
    parts += [_text(panel.x(bits), TOP + HEIGHT + 18, str(bits)) for bits in panel.bits]
    parts.append(_text((left + right) / 2, TOP + HEIGHT + 36, "bits of the hidden activations"))
    return parts


def _line(panel: _Panel, points: Sequence[tuple[int, float]], colour: str) -> list[str]:
    places = [(panel.x(bits), panel.y(value)) for bits, value in points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
    return [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>', *dots]


def plot(rows: Sequence[Mapping[str, Any]]) -> str:
    """`rows` of bench.bits as SVG: three panels over the bits, a line for each way of quantising."""
    bits = tuple(sorted({row["bits"] for row in rows}, reverse=True))
    parts: list[str] = []
    for index, (title, value) in enumerate(PANELS):
        greatest = max(value(row) for row in rows) or 1.0
        step = _step(greatest)
        panel = _Panel(index * (LEFT + WIDTH + RIGHT), bits, ceil(greatest / step - 1e-9) * step)
        parts += _axes(panel, title, step)
        for kind, colour in COLOURS.items():
            points = [(row["bits"], value(row)) for row in rows if row["quantised"] == kind]
            parts += _line(panel, points, colour) if points else []
    kinds = [kind for kind in COLOURS if any(row["quantised"] == kind for row in rows)]
    height = TOP + HEIGHT + BOTTOM + 18
    for index, kind in enumerate(kinds):
        parts.append(_text(LEFT + 150 * index, height - 8, f"quantised {kind}", "start", COLOURS[kind]))
    width = len(PANELS) * (LEFT + WIDTH + RIGHT)
    size = f'width="{width}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>"]) + "\n"
