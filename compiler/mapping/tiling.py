"""Tiling: a layer cut into tiles, chunks, digits and planes for one machine.

Letters in shapes: M processing elements, N lanes, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.array_planes import ArrayPlane, array_planes
from bcsim.compiler.mapping.batch import batched
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.stored_tensors import StoredTensor, ceil_div
from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import DenseLayer, Search
from bcsim.machine.latency import round_cycles, write_cycles
from bcsim.machine.parameters import Machine

__all__ = ["make_nest"]

ALONE = StoredTensor(chunks=0, fill=0)
"""A tensor that one layer reads, and none together with others."""


def make_nest(
    layer: DenseLayer,
    machine: Machine,
    *,
    scores: bool,
    packed: bool,
    images: int = 1,
    sources: Sequence[StoredTensor] = (),
    output: StoredTensor = ALONE,
) -> LoopNest:
    """The layer's loop nest, all of its weights on the chip.

    packed : the host sends one position for each window, with the whole window as its channels.
    images : taken at once, each a position; more than 1 where `batch_obstacle` finds none.
    sources, output : the tensors that it reads, one for each of its geometry's, and that it writes. Without them it
        reads and writes tensors that no other layer reads.

    Raises BcsimError naming the layer where the array has no loops or no planes for it.
    """
    geometry = _packed(layer.geometry) if packed else layer.geometry
    _check(layer, geometry, scores)
    geometry = batched(geometry, images)
    search = isinstance(layer.requantiser, Search)
    # Hidden layers fill whole words: lanes that nobody writes would keep another tensor's values. Scores are not
    # stored: 10 classes on 16 requantisers of 32 elements are one round, not two.
    unit = machine.requantisers if scores else machine.lanes
    drained = ceil_div(layer.outputs, unit) * unit
    if not scores:
        drained = max(drained, output.chunks * machine.lanes)
    tiles, in_source = ceil_div(drained, machine.pes), ceil_div(max(geometry.channels), machine.lanes)
    sources = sources or [StoredTensor(in_source, 0)] * len(geometry.channels)
    in_source = max(in_source, sources[0].chunks)
    chunks, tile_chunks = _tile_chunks(layer, geometry, machine, tiles, in_source)
    cancels = geometry.groups > 1 or _pads_unlike(geometry, sources, chunks * machine.lanes)
    planes, factor = array_planes(layer, cancels)
    digits = 1 if scores else ceil_div(layer.target.bits, machine.digit)
    # Scores go to the output buffer one position after the other.
    drains = 1 if search or scores else machine.drains
    cycles = round_cycles(layer.target.bits, search, machine.divide_cycles)
    return LoopNest(
        layer=layer,
        geometry=geometry,
        chunks=chunks,
        digits=ceil_div(layer.source.bits, machine.digit),
        planes=len(planes),
        tiles=tiles,
        tile_chunks=tile_chunks,
        factor=factor,
        cancels=cancels,
        rounds=drained // machine.requantisers,
        rounds_full=machine.pes // machine.requantisers,
        round_cycles=max(cycles, drains * digits if drains > 1 else 0),
        write_cycles=write_cycles(layer.target.bits, search, machine.divide_cycles),
        target_digits=digits,
        doubles=_doubles(layer, planes),
        scores=scores,
        chunks_in_source=in_source,
        output_pixel_words=0 if scores else drained // machine.lanes * digits,
        source_fills=tuple(tensor.fill for tensor in sources),
        fill=output.fill,
        parameter_words=1 << layer.target.bits if search else 1,
        streamed=False,
        reuse=machine.reuse,
        drains=drains,
    )


def _pads_unlike(geometry: Geometry, sources: Sequence[StoredTensor], lanes: int) -> bool:
    """Whether lanes beyond the channels hold another level than the padding, which fills all lanes."""
    unlike = any(tensor.fill != geometry.pad_level for tensor in sources)
    return any(geometry.pads) and unlike and any(channels < lanes for channels in geometry.channels)


def _packed(geometry: Geometry) -> Geometry:
    rows, columns = geometry.windows
    return Geometry(rows, columns, (geometry.window_inputs,), pool=geometry.pool)


def _check(layer: DenseLayer, geometry: Geometry, scores: bool) -> None:
    if scores and geometry.output != (1, 1):
        raise BcsimError(
            f"Layer {layer.name!r} gives scores at {geometry.output[0]} x {geometry.output[1]} positions; "
            "the machine takes networks that end in one position"
        )


def _tile_chunks(
    layer: DenseLayer, geometry: Geometry, machine: Machine, tiles: int, in_source: int
) -> tuple[int, int]:
    """(chunks of a tap, chunks from one tile to the next): a tile of whole groups reads only their channels.

    Not where the last tile would read beyond its source: words there may be written between the planes that
    should cancel them.
    """
    whole = ceil_div(max(geometry.channels), machine.lanes)
    if geometry.groups == 1 or len(set(geometry.channels)) > 1:
        return whole, 0
    per_group = layer.outputs // geometry.groups
    groups, left = divmod(machine.pes, per_group)
    channels = groups * (geometry.channels[0] // geometry.groups)
    step = channels // machine.lanes
    chunks = min(step, whole)
    # 64 depthwise channels on 32 x 32 lanes read 1 chunk of 2 so, which halves their steps. Tiles that began or ended
    # within a group, or within a word, would need other words for some of their elements.
    if left or channels % machine.lanes or (tiles - 1) * step + chunks > in_source:
        return whole, 0
    return chunks, step


def _doubles(layer: DenseLayer, planes: Sequence[ArrayPlane]) -> int:
    shifts = [plane.shift for plane in planes]
    gaps = [high - low for high, low in pairwise(shifts)]
    # Doubling an accumulator is wiring; by more than one bit a plane it would be a shifter in each of M elements.
    if shifts[-1] != 0 or any(gap not in (0, 1) for gap in gaps):
        raise BcsimError(
            f"Layer {layer.name!r} has weight planes of shifts {shifts}; the array takes shifts that fall to 0 "
            "in steps of 0 or 1"
        )
    return sum(gap << (index + 1) for index, gap in enumerate(gaps))
