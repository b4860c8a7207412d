"""Plots of a report as data for its template: stacked bars and histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log1p

from bcsim.common.formatting import count, energy, percent, ratio
from bcsim.costs.energy import PARTS
from bcsim.results.result import Histogram, Result
from bcsim.simulator.utilisation import CAUSES

__all__ = ["Bar", "HistogramChart", "Segment", "energy_bars", "histogram_charts", "layer_bars", "legend"]

HEIGHT = 100.0
"""Of a histogram, in the units of its drawing; a bin is 1 wide."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a stacked bar. key : names its colour. share : of its bar, 0 to 1."""

    key: str
    label: str
    value: str
    share: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A stacked bar. length : 0 to 1, of the longest bar beside it."""

    label: str
    value: str
    remark: str
    length: float
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A bin of a histogram, `x` from the left, `height` up; `inside` the quantised range."""

    x: int
    height: float
    inside: bool


@dataclass(frozen=True, slots=True)
class HistogramChart:
    """One layer's activations. range_left, range_width : of the quantised range, in bins."""

    label: str
    remark: str
    low: str
    high: str
    bins: int
    range_left: float
    range_width: float
    columns: tuple[Column, ...]


def _segments(values: Mapping[str, float], keys: Sequence[str], unit: str) -> tuple[Segment, ...]:
    total = sum(values.values())
    return tuple(
        Segment(
            key=key.replace("_", "-"),
            label=key.replace("_", " "),
            value=energy(values[key]) if unit == "pJ" else percent(values[key] / total, 1),
            share=values[key] / total,
        )
        for key in keys
        if values.get(key, 0) > 0
    )


def energy_bars(result: Result) -> tuple[Bar, ...]:
    """This machine, int8 and float32 multiply-accumulators, each by part."""
    found = result.energy
    rows = (
        ("bcsim", found.by_part, found.total_pj),
        ("int8 MACs", found.int8_by_part, found.int8_pj),
        ("float32 MACs", found.float32_by_part, found.float32_pj),
    )
    longest = max(total for _, _, total in rows)
    return tuple(
        Bar(
            label,
            energy(total),
            ratio(total / found.total_pj),
            total / longest,
            _segments(parts, PARTS, "pJ"),
        )
        for label, parts, total in rows
    )


def layer_bars(result: Result) -> tuple[Bar, ...]:
    """Each layer's lane-cycles by cause; bars are as long as the layers take."""
    longest = max(layer.cycles for layer in result.layers)
    return tuple(
        Bar(
            label=layer.name,
            value=f"{count(layer.cycles)} cycles",
            remark=percent(layer.utilisation, 1),
            length=layer.cycles / longest,
            segments=_segments(layer.slots, CAUSES, "slots"),
        )
        for layer in result.layers
    )


def legend(bars: Sequence[Bar]) -> tuple[Segment, ...]:
    """Every kind of segment that some bar has, in the order of the bars' own."""
    found = {segment.key: segment for bar in bars for segment in bar.segments}
    order = [name.replace("_", "-") for name in (*PARTS, *CAUSES)]
    return tuple(sorted(found.values(), key=lambda segment: order.index(segment.key)))


def histogram_charts(result: Result) -> tuple[HistogramChart, ...]:
    """One for each layer whose float values are known."""
    return tuple(
        _histogram_chart(layer.name, layer.target_bits, layer.histogram)
        for layer in result.layers
        if layer.histogram is not None
    )


def _histogram_chart(name: str, bits: int, found: Histogram) -> HistogramChart:
    """Logarithmic heights, since a ReLU's zeros would flatten everything else."""
    bins = len(found.counts)
    per_value = bins / (found.high - found.low)
    left, right = ((edge - found.low) * per_value for edge in (found.range_low, found.range_high))
    most = log1p(max(found.counts))
    columns = tuple(
        Column(x, HEIGHT * log1p(n) / most, left <= x + 0.5 <= right) for x, n in enumerate(found.counts) if n
    )
    return HistogramChart(
        label=name,
        remark=f"{bits} bits, {percent(found.clipped)} clipped",
        low=f"{found.low:.3g}",
        high=f"{found.high:.3g}",
        bins=bins,
        range_left=left,
        range_width=right - left,
        columns=columns,
    )
