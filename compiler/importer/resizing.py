"""Resize and Upsample by whole factors, to the nearest pixel: every pixel repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil, floor, prod

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Upsample
from bcsim.compiler.importer.layouts import from_image
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.values import Constant, Shape

HALF = Fraction(1, 2)
LONGEST, MOST_VALUES = 1 << 16, 1 << 24
"""Places along one axis of a result, and values of all."""

# Where pixel i of an axis of `after` pixels lies in one of `before`.
_PLACES: Mapping[str, Callable[[int, int, int], Fraction]] = {
    "asymmetric": lambda i, before, after: Fraction(i * before, after),
    "half_pixel": lambda i, before, after: (i + HALF) * before / after - HALF,
    "half_pixel_symmetric": lambda i, before, after: (i + HALF) * before / after - HALF,
    "pytorch_half_pixel": lambda i, before, after: (i + HALF) * before / after - HALF,
}
_NEAREST: Mapping[str, Callable[[Fraction], int]] = {
    "round_prefer_floor": lambda x: ceil(x - HALF),
    "round_prefer_ceil": lambda x: floor(x + HALF),
    "floor": floor,
    "ceil": ceil,
}


@operator("Resize", "Upsample")
def resize(context: NodeContext) -> Lowered:
    mode = context.attribute("mode", "nearest")
    if mode != "nearest":
        raise BcsimError(
            f"its mode is {mode!r}, which makes values between those of its input; accepted is 'nearest', by whole "
            "factors"
        )
    x = context.image()
    shape = context.shape(x)
    after = _sizes(context, shape)
    if (
        after[:1] != shape[:1]
        or any(b < a or b % a for a, b in zip(shape, after, strict=True))
        or (max(after) <= LONGEST and not _repeats(context, shape, after))
    ):
        raise BcsimError(
            f"it makes {after} of an input of shape {shape} behind the batch axis by other pixels than each one "
            "repeated; accepted are whole factors of rows and columns"
        )
    if max(after) > LONGEST or prod(after) > MOST_VALUES:
        raise BcsimError(
            f"it makes {after}; accepted are up to {LONGEST} along an axis and {MOST_VALUES} values in all"
        )
    before, factors = x.layout.stored, [b // a for a, b in zip(shape[1:], after[1:], strict=True)]
    rows, columns = factors if len(factors) == 2 else (1, factors[0])
    node = Upsample(context.name, context.op, (x.name,), context.output, (rows, columns))
    size = (before[0], before[1] * rows, before[2] * columns)
    return Lowered(from_image(context.output, size, like=x), (node,))


def _sizes(context: NodeContext, shape: Shape) -> Shape:
    """The shape of the result behind the batch axis."""
    sizes = context.operand(3)
    if isinstance(sizes, Constant) and sizes.arrays[0].size:
        if sizes.arrays[0].size != len(shape) + 1:
            raise BcsimError(
                f"its sizes are {sizes.arrays[0].ravel().tolist()}; expected one for each of {len(shape) + 1} axes"
            )
        # What is computed from the batch size differs between probes in the batch axis alone.
        return tuple(int(size) for size in sizes.arrays[0].ravel()[1:])
    scales = context.attribute("scales") or []
    index = 1 if context.op == "Upsample" or context.opset < 11 else 2
    if context.operand(index) is not None:
        scales = context.constant(index, "scales").ravel().tolist()
    if len(scales) != len(shape) + 1:
        raise BcsimError(f"its scales are {list(scales)}; expected one for each of {len(shape) + 1} axes")
    if not all(1 <= scale <= LONGEST for scale in scales):
        raise BcsimError(f"its scales are {list(scales)}; accepted are whole factors from 1 up")
    return tuple(floor(size * Fraction(float(scale))) for size, scale in zip(shape, scales[1:], strict=True))


def _repeats(context: NodeContext, before: Shape, after: Shape) -> bool:
    """Whether pixel i of the result is pixel i // factor of the input, along every axis."""
    asymmetric = context.op == "Upsample" or context.opset < 11
    place = _PLACES.get(
        "asymmetric" if asymmetric else context.attribute("coordinate_transformation_mode", "half_pixel")
    )
    nearest = _NEAREST.get("floor" if asymmetric else context.attribute("nearest_mode", "round_prefer_floor"))
    if place is None or nearest is None:
        return False
    return all(
        min(max(nearest(place(i, a, b)), 0), a - 1) == i // (b // a)
        for a, b in zip(before[1:], after[1:], strict=True)
        for i in range(b)
    )
