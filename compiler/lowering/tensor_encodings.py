"""Encodings of a network's tensors: the network's own grids, ranges after training, and what several tensors share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from bcsim.compiler.graph.nodes import Add, FloatArray
from bcsim.compiler.lowering.calibrate import Ranging, range_encoding
from bcsim.compiler.lowering.fusion import FusedLayer
from bcsim.compiler.lowering.quantiser_grids import ascending, grid_encoding
from bcsim.compiler.lowering.value_sets import MOST_BITS
from bcsim.compiler.program.layers import Encoding

__all__ = ["DEFAULT_BITS", "Encodings", "holds", "padded_tensors", "plan_encodings", "rounded_together"]

Fractions: TypeAlias = tuple[Fraction, ...]
Known: TypeAlias = Mapping[str, Fractions | None]

DEFAULT_BITS = 8


@dataclass(frozen=True, slots=True)
class Encodings:
    """How every tensor but the scores is encoded.

    own : what a tensor's layer gives.
    shared : what a layer of several sources reads them in, by the name of a source.
    padded : the tensors that layers pad, and with what.
    weighed : what additions read tensors in that they weigh, each on its own grid, all of as many bits.
    """

    own: Mapping[str, Encoding]
    shared: Mapping[str, Encoding]
    padded: Mapping[str, frozenset[Fraction]]
    weighed: Mapping[str, Encoding]


def plan_encodings(
    layers: Sequence[FusedLayer],
    stream: tuple[str, Encoding],
    known: Known,
    bits: Mapping[str, int],
    samples: Mapping[str, FloatArray],
    ranging: Ranging,
) -> Encodings:
    """The encodings of all tensors of the layers.

    stream : the tensor that the host streams, and its encoding.
    known : from `known_values`; tensors that are not known have samples, others where images were given and they are
        `rounded_together`.
    Tensors that one layer reads together get one encoding: the coarsest grid that holds all their values, if 8 bits do,
    else a range. A tensor that some layer reads alone keeps an encoding of its own where that has fewer bits, steps
    of half the size or the network's own values, and a copy of it is encoded for the others.
    """
    padded = padded_tensors(layers)
    planner = _Planner(known, bits, samples, ranging, padded)
    weighed = _weighed(layers, known, padded, stream[0])
    shared = {
        name: encoding
        for group in _groups(layers)
        if not group & weighed.keys()
        for encoding in [planner.together(sorted(group))]
        for name in group
    }
    alone = {layer.sources[0] for layer in layers if len(layer.sources) == 1}
    own = dict([stream])
    for layer in layers[:-1]:
        name = layer.output
        own[name] = planner.own(name, weighed.get(name) or shared.get(name), name in alone)
    _round_once(layers, own, known)
    return Encodings(own, shared, padded, weighed)


def _weighed(
    layers: Sequence[FusedLayer], known: Known, padded: Mapping[str, frozenset[Fraction]], stream: str
) -> dict[str, Encoding]:
    """Encodings of the tensors that additions alone read together, each quantised by the network, on no common grid."""
    encodings: dict[str, Encoding] = {}
    for group in _groups(layers):
        readers = [layer for layer in layers if len(layer.sources) > 1 and group & set(layer.sources)]
        grids = {name: _common_grid([name], known, padded) for name in sorted(group)}
        if (
            stream not in group
            and all(isinstance(layer.linear, Add) for layer in readers)
            and _common_grid(sorted(group), known, padded) is None
            and all(grids.values())
        ):
            found = {name: grid for name, grid in grids.items() if grid}
            bits = max(grid.bits for grid in found.values())
            encodings |= {name: replace(grid, bits=bits) for name, grid in found.items()}
    return encodings


def _round_once(layers: Sequence[FusedLayer], own: dict[str, Encoding], known: Known) -> None:
    """Give a tensor that is rounded only to be copied, by a pooling, the encoding of the copy."""
    readers = Counter(name for layer in layers for name in layer.sources)
    made = {layer.output for layer in layers}
    for layer in reversed(layers[:-1]):
        source = layer.sources[0]
        if layer.copies and known[layer.output] is None and readers[source] == 1 and source in made:
            own[source] = own[layer.output]


def padded_tensors(layers: Sequence[FusedLayer]) -> dict[str, frozenset[Fraction]]:
    """The tensors that some layer pads, and with what."""
    padded: dict[str, frozenset[Fraction]] = {}
    for layer in layers:
        for name in layer.sources if layer.pads else ():
            padded[name] = padded.get(name, frozenset()) | {layer.outside}
    return padded


def holds(encoding: Encoding, values: Sequence[Fraction] | None) -> bool:
    """Whether values are known and the encoding has a level for each of them."""
    if values is None:
        return False
    places = [(value - encoding.offset) / encoding.scale for value in values]
    return all(place.denominator == 1 and 0 <= place < encoding.levels for place in places)


def rounded_together(layers: Sequence[FusedLayer], known: Known, stream: str) -> list[list[str]]:
    """The tensors that layers read together on no grid of 8 bits that holds all their values, group by group.

    stream : the tensor that the host streams. Tensors that additions weigh are not rounded.
    """
    padded = padded_tensors(layers)
    weighed = _weighed(layers, known, padded, stream)
    groups = [sorted(group) for group in _groups(layers) if not group & weighed.keys()]
    return [group for group in groups if _common_grid(group, known, padded) is None]


def _common_grid(
    names: Sequence[str], known: Known, padded: Mapping[str, frozenset[Fraction]]
) -> Encoding | None:
    values: set[Fraction] = set()
    for name in names:
        found = known[name]
        if found is None:
            return None
        values.update(found)
    outside = {value for name in names for value in padded.get(name, ())}
    with_outside = outside and grid_encoding(ascending(values | outside), MOST_BITS)
    return with_outside or grid_encoding(ascending(values), MOST_BITS)


@dataclass(frozen=True, slots=True)
class _Planner:
    known: Known
    bits: Mapping[str, int]
    samples: Mapping[str, FloatArray]
    ranging: Ranging
    padded: Mapping[str, frozenset[Fraction]]

    def own(self, name: str, shared: Encoding | None, alone: bool) -> Encoding:
        """The encoding that a tensor is made in.

        alone : whether some layer reads nothing else.
        """
        if shared is not None and not alone:
            return shared
        own = self.together([name])
        if shared is None or own.bits < shared.bits:
            return own
        values = self.known[name]
        better = 2 * own.scale <= shared.scale if values is None else not holds(shared, values)
        return own if better else shared

    def together(self, names: Sequence[str]) -> Encoding:
        return _common_grid(names, self.known, self.padded) or self._range(names)

    def _range(self, names: Sequence[str]) -> Encoding:
        given = [self.bits[name] for name in names if name in self.bits]
        values = np.concatenate([self._sample(name) for name in names])
        return range_encoding(values, max(given, default=DEFAULT_BITS), self.ranging)

    def _sample(self, name: str) -> FloatArray:
        """What the tensor's calibration values are, or all that it could take."""
        if name in self.samples:
            return self.samples[name].reshape(-1)
        return np.array([float(value) for value in self.known[name] or ()])


def _groups(layers: Sequence[FusedLayer]) -> list[set[str]]:
    """The tensors that layers read together, directly or through other tensors."""
    groups: list[set[str]] = []
    for layer in layers:
        if len(layer.sources) > 1:
            joined = set(layer.sources)
            apart = [group for group in groups if not group & joined]
            groups = [*apart, joined.union(*(group for group in groups if group & joined))]
    return groups
