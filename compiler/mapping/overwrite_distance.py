"""How closely a layer's writes may follow its reads through one region of the activation memory."""

from __future__ import annotations

import numpy as np

from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.program.geometry import window_corners

__all__ = ["overwrite_distance"]


def overwrite_distance(nest: LoopNest) -> int | None:
    """Least words by which the layer's output must lie below a source that nobody reads later.

    Strips of positions are read and written in the same order, and a strip's values are written behind the last step
    that computes them in their tile. So with  output base + (e + 1) * W' <= source base + a(p)  for every strip, of
    positions p to e - W' words of a position of the output, a(p) the lowest word that p or a later position reads -
    no word is overwritten before its last read. None where a layer goes tile by tile, whose last tile reads everything
    again.
    """
    if nest.streamed:
        return None
    # Worth it: the CIFAR-10 network on `conv` takes 6,148 activation words, 7,168 if outputs lay clear of sources.
    geometry = nest.geometry
    rows, columns = window_corners(geometry)
    # Words of the padding are not in memory; rows and columns next to it stand for them, which errs on the safe side.
    top = np.clip(rows, 0, geometry.height - 1).min(axis=1)
    left = np.clip(columns, 0, geometry.width - 1).min(axis=1)
    # Not in order by itself: with padding the first two rows of windows both begin in row 0.
    lowest = np.minimum.accumulate((top * geometry.width + left)[::-1])[::-1]
    ends = np.cumsum(nest.strip_sizes)
    written = ends * nest.output_pixel_words
    return int((written - lowest[ends - nest.strip_sizes] * nest.chunks_in_source * nest.digits).max())
