"""Assembling: a program's layers from fused layers and encodings, with copies of tensors needed in two encodings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from bcsim.compiler.graph.nodes import FloatArray
from bcsim.compiler.lowering.fusion import FusedGraph, FusedLayer
from bcsim.compiler.lowering.linear import Linear, falling, to_linear
from bcsim.compiler.lowering.linear_operators import LinearOperator, identity_operator, linear_operator
from bcsim.compiler.lowering.make_layers import Target, make_layer, reached_levels
from bcsim.compiler.lowering.node_functions import to_functions
from bcsim.compiler.lowering.piecewise import Line, PiecewiseFunction, Steps, compose
from bcsim.compiler.lowering.quantiser_grids import grid_encoding, quantiser_values
from bcsim.compiler.lowering.score_encoding import score_encoding
from bcsim.compiler.lowering.score_error import best_ordered, score_error
from bcsim.compiler.lowering.tensor_encodings import Encodings, holds
from bcsim.compiler.lowering.value_sets import MOST_BITS
from bcsim.compiler.lowering.weighed_additions import weigh_sources
from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import DenseLayer, Encoding, over_windows
from bcsim.machine.widths import SCORE_BITS

__all__ = ["Assembler"]


@dataclass(slots=True)
class Assembler:
    """The layers so far.

    known : the values that tensors can take, None where they are rounded after training.
    scores : calibration values of the scores, if there are any.
    layers, notes, checked : the result: layers in execution order, notes on them, how many thresholds were enumerated.
    score_error : of an exact last layer the most by which a score differs from the real one.
    """

    fused: FusedGraph
    encodings: Encodings
    known: Mapping[str, tuple[Fraction, ...] | None]
    scores: FloatArray | None
    layers: list[DenseLayer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: int = 0
    score_error: float | None = None
    _made: dict[tuple[str, Encoding], str] = field(default_factory=dict)
    _own: dict[str, Encoding] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tensor = self.fused.path.tensor
        self._own[tensor] = encoding = self.encodings.own[tensor]
        self._made[tensor, encoding] = ""
        if sum(layer.sources.count(tensor) for layer in self.fused.layers) > 1:
            # A machine keeps its input for the first layer only, while the next image is loaded.
            self._copy(tensor, encoding, f"{tensor}/copy")

    def add(self, layer: FusedLayer) -> None:
        """Append the integer layer, and before it the copies that it reads."""
        reading = [self._source(name, together=len(layer.sources) > 1) for name in layer.sources]
        source = reading[0]
        names = tuple(map(self._reading, layer.sources, reading))
        shapes = [self.fused.image(name) for name in layer.sources]
        operator = linear_operator(layer.linear, shapes) if layer.linear else identity_operator(shapes[0])
        functions = to_functions(layer.elementwise)
        if len(set(reading)) > 1:
            linear, adds_exactly = self._weighed(layer, operator, functions, reading)
        else:
            linear, adds_exactly = to_linear(operator.weights, operator.scale, functions, source), True
        target = self._target(layer, linear)
        geometry, exact = self._padded(layer, operator.geometry, source)
        exact = exact and adds_exactly
        target = replace(target, exact=target.exact and exact and not layer.has_rounded_weights)
        self._append(layer, linear, target, replace(geometry, pool=layer.pool), names)
        if layer is self.fused.layers[-1] and target.exact:
            self.score_error = self._score_error(linear, target)
        self._own[layer.output] = target.encoding
        self._made[layer.output, target.encoding] = layer.name
        values = self.known.get(layer.output)
        if target.exact and values:
            # Some values may have turned out to be reached by no accumulator.
            self.known = {**self.known, layer.output: tuple(v for v in values if holds(target.encoding, [v]))}

    def _source(self, tensor: str, together: bool) -> Encoding:
        """What a layer reads a tensor in, alone or together with others."""
        if not together:
            return self._own[tensor]
        return self.encodings.weighed.get(tensor) or self.encodings.shared.get(tensor, self._own[tensor])

    def _weighed(
        self,
        layer: FusedLayer,
        operator: LinearOperator,
        functions: Sequence[PiecewiseFunction],
        encodings: Sequence[Encoding],
    ) -> tuple[Linear, bool]:
        """An addition of sources in unlike encodings, and whether their steps are in the ratio of its weights."""
        found = weigh_sources(operator, encodings)
        if found.error:
            steps = " and ".join(f"{float(encoding.scale):.4g}" for encoding in encodings)
            self.notes.append(
                f"Layer {layer.name!r} adds values of the steps {steps} as {found.weights[0]} to {found.weights[1]}, "
                f"which is off by up to {float(found.error):.1g} of the larger step"
            )
        shift = Line((Fraction(1),), (found.offset,))
        first, *rest = functions or [shift]
        ahead = compose(shift, first) if functions and isinstance(first, Line) else shift
        rest = rest if functions and isinstance(first, Line) else list(functions)
        plain = Encoding(encodings[0].bits, Fraction(1), Fraction(0))
        linear = to_linear(found.operator.weights, found.operator.scale, [ahead, *rest], plain)
        return replace(linear, source=encodings[0]), not found.error

    def _target(self, layer: FusedLayer, linear: Linear) -> Target:
        if layer is self.fused.layers[-1]:
            return self._score_target(layer, linear)
        encoding, values = self.encodings.own[layer.output], self.known[layer.output]
        exact = holds(encoding, values) and (_quantises(linear.functions) or self._reads_exactly(layer))
        found = Target(encoding, exact, values is None, linear.thresholds(encoding))
        bound = {*self.encodings.padded, *self.encodings.shared, *self.encodings.weighed}
        free = layer.output not in bound
        return _of_reached_values(linear, found, values) if free else found

    def _score_target(self, layer: FusedLayer, linear: Linear) -> Target:
        values = quantiser_values([linear.line, *linear.functions])
        grid = values and grid_encoding(values, SCORE_BITS)
        if values and grid:
            return _of_reached_values(linear, Target(grid, True, False, linear.thresholds(grid)), values)
        encoding, exact = score_encoding([linear.line, *linear.functions], *linear.bounds(), self.scores)
        if not exact:
            self.notes.append(_score_note(encoding, self.scores is not None))
        target = Target(encoding, exact, True, linear.thresholds(encoding))
        return best_ordered(linear, target) if exact else target

    def _score_error(self, linear: Linear, target: Target) -> float:
        """0 where the network quantises its scores itself."""
        if not target.rounded:
            return 0.0
        requantiser = self.layers[-1].requantiser
        return score_error(
            linear, target.encoding, requantiser, target.thresholds.low, target.thresholds.high
        )

    def _reads_exactly(self, layer: FusedLayer) -> bool:
        together = len(layer.sources) > 1
        return all(holds(self._source(name, together), self.known[name]) for name in layer.sources)

    def _reading(self, tensor: str, encoding: Encoding) -> str:
        """The layer that gives the tensor in an encoding, appended where there is none yet."""
        if (tensor, encoding) not in self._made:
            self._copy(tensor, encoding, f"{tensor}/{encoding.bits}bit")
        return self._made[tensor, encoding]

    def _copy(self, tensor: str, encoding: Encoding, name: str) -> None:
        """A layer that gives the tensor in an encoding."""
        layer = FusedLayer(name, None, (tensor,), (), tensor)
        operator = identity_operator(self.fused.image(tensor))
        linear = to_linear(operator.weights, operator.scale, [], self._own[tensor])
        exact = holds(encoding, self.known[tensor])
        if not exact and self.known[tensor] is not None:
            self.notes.append(
                f"Tensor {tensor!r} is rounded to {encoding.bits} bits of the step {float(encoding.scale):.4g} where "
                "it is read together with others"
            )
        target = Target(encoding, exact, not exact, linear.thresholds(encoding))
        source = self._made[tensor, self._own[tensor]]
        self._append(layer, linear, target, operator.geometry, (source,))
        self._made[tensor, encoding] = name

    def _padded(self, layer: FusedLayer, geometry: Geometry, source: Encoding) -> tuple[Geometry, bool]:
        """The geometry with the level nearest to what the layer pads with, and whether that is it.

        Around a pooling the level is 0, the least: no value changes a maximum less.
        """
        if not layer.pads:
            return (replace(geometry, pads=layer.pool_pads) if any(layer.pool_pads) else geometry), True
        place = (layer.outside - source.offset) / source.scale
        level = min(max(round(place), 0), source.levels - 1)
        if level != place:
            self.notes.append(
                f"Layer {layer.name!r}: {float(layer.outside):g} is not among the values of its source, so its padding "
                f"reads as {float(source.scale * level + source.offset):.3g}"
            )
        return replace(geometry, pad_level=level), level == place

    def _append(
        self, layer: FusedLayer, linear: Linear, target: Target, geometry: Geometry, names: tuple[str, ...]
    ) -> None:
        made, notes = make_layer(layer.name, linear, target, layer.output)
        self.notes += notes
        self.checked += target.thresholds.size
        before = self.layers[-1].name if self.layers else ""
        if geometry.point and geometry.pool is None and names == (before,):
            self.layers.append(made)
            return
        falls = falling(to_functions(layer.behind_pool), made.outputs)
        minimum = falls if geometry.pool and falls.any() else None
        self.layers.append(over_windows(made, geometry, names, minimum))


def _score_note(encoding: Encoding, calibrated: bool) -> str:
    """What the scores are rounded to, and how to have it finer."""
    step, bits = float(encoding.scale), encoding.bits
    if calibrated:
        return f"The scores are rounded to steps of {step:.4g}, {bits} bits for the range of the calibration images"
    return (
        f"The scores are rounded to steps of {step:.4g}, {bits} bits for all that any input could give: calibration "
        "images (--calibrate) make the steps finer"
    )


def _quantises(functions: Sequence[PiecewiseFunction]) -> bool:
    return any(isinstance(function, Steps) for function in functions)


def _of_reached_values(linear: Linear, target: Target, values: tuple[Fraction, ...] | None) -> Target:
    """The target without values in between that no accumulator yields, where that leaves a grid of fewer bits."""
    before = target.encoding
    if values is None or not target.exact or before.bits > MOST_BITS:
        return target
    levels = np.flatnonzero(reached_levels(linear, target)).tolist()
    reached = tuple(before.scale * level + before.offset for level in levels)
    encoding = grid_encoding(reached, MOST_BITS)
    if (
        encoding is None
        or encoding.bits >= before.bits
        or {*reached[:1], *reached[-1:]} != {values[0], values[-1]}
    ):
        return target
    step = int(encoding.scale / before.scale)
    places = [min(step * level, before.levels) - 1 for level in range(1, encoding.levels)]
    shared = target.thresholds
    beyond = np.full((len(shared.rows), 1), shared.high + 1, dtype=np.int64)
    rows = np.ascontiguousarray(np.concatenate([shared.rows, beyond], axis=1)[:, places])
    return replace(target, encoding=encoding, thresholds=replace(shared, rows=rows))
