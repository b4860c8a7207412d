"""How often a machine's units are at work for one layer of the images taken at once: the loop nest's trip counts."""

from __future__ import annotations

from collections.abc import Mapping

from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.program.geometry import Geometry, Pool
from bcsim.compiler.program.layers import Search
from bcsim.costs.units import When

__all__ = ["reading_steps", "times_at_work"]


def times_at_work(nest: LoopNest) -> Mapping[When, int]:
    """How often each `When` comes, per image or batch of images.

    Every requantiser's rounds are counted once, as they are simultaneous.
    The drain of one pass may overlap the steps of the next: these are occasions, not cycles.
    """
    rounds, bits = nest.round_count, nest.layer.target.bits
    searches = isinstance(nest.layer.requantiser, Search)
    quotient, threshold = (0, rounds * bits) if searches else (rounds * bits, 0)
    further = threshold if searches else rounds * (bits > 1)
    return {
        When.STEP: nest.steps,
        When.READ: reading_steps(nest),
        When.CHUNK: nest.steps // nest.digits,
        When.WEIGHT: nest.weight_reads,
        When.PASS: nest.passes,
        When.SUM: nest.results * nest.tiles,
        When.ROUND: rounds,
        When.BIT: rounds * bits,
        When.QUOTIENT: quotient,
        When.THRESHOLD: threshold,
        When.REMAINDER: quotient or rounds,
        When.PARAMETER: rounds + further,
    }


def reading_steps(nest: LoopNest) -> int:
    """Steps that read the activation memory: those whose tap lies inside of the source."""
    geometry = nest.geometry
    pool = geometry.pool or Pool((1, 1), (1, 1))
    inside = len(geometry.channels)
    for axis, size in enumerate((geometry.height, geometry.width)):
        inside *= _taps_inside(geometry, pool, axis, size)
    return inside * nest.tiles * nest.planes * nest.chunks * nest.digits


def _taps_inside(geometry: Geometry, pool: Pool, axis: int, size: int) -> int:
    """Rows (axis 0) or columns (axis 1) of taps that lie inside, over all windows of all output positions."""
    places = (
        (position * pool.stride[axis] + place) * geometry.stride[axis] - geometry.pads[axis] + tap
        for position in range(geometry.output[axis])
        for place in range(pool.kernel[axis])
        for tap in range(geometry.kernel[axis])
    )
    return sum(0 <= place < size for place in places)
