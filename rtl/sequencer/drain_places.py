"""Where the drain walker's values go in the activation memory."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import and_

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib.data import View

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import ADDRESS_BITS, address_bits
from bcsim.rtl.sequencer.drain_walk import DrainWalk
from bcsim.rtl.sequencer.nested_sum import NestedSum

__all__ = ["place_values"]


def place_values(m: Module, machine: Machine, record: View, walk: DrainWalk) -> None:
    """Drive `walk.round.place`: group and address of each round's values, and those of a second position.

    record : the next layer's, in the cycle of `walk.take`.
    """
    if walk.order.tiles_stream or machine.reuse > 1:
        _place_apart(m, machine, record, walk)
    else:
        _place_densely(m, machine, record, walk)
    if machine.drains > 1:
        m.d.comb += walk.round.place.stride.eq(walk.layer.position_stride)


def _place_densely(m: Module, machine: Machine, record: View, walk: DrainWalk) -> None:
    """Word behind word, in the order of the rounds."""
    place = walk.round.place
    group, address = Signal.like(place.group), Signal.like(place.address)
    m.d.comb += [place.group.eq(group), place.address.eq(address)]
    with m.If(walk.take):
        m.d.sync += [group.eq(0), address.eq(record.write_base)]
    with m.Elif(walk.written):
        m.d.sync += group.eq(group + 1)
        with m.If(group == machine.groups - 1):
            m.d.sync += [group.eq(0), address.eq(address + place.digits + 1)]


def _place_apart(m: Module, machine: Machine, record: View, walk: DrainWalk) -> None:
    """As `_place_densely`, where a tile's words do not lie behind those that were written before.

    Tiles outermost, or positions within them: the address jumps, where it otherwise only counts up.
    """
    place, written = walk.round.place, walk.written
    group, word_end = Signal.like(place.group), Signal()
    turns = _turns(walk, machine.reuse > 1)
    m.submodules.places = places = _places(machine, tuple(turns))
    m.d.comb += [
        word_end.eq(written & (group == machine.groups - 1)),
        places.start.eq(walk.take),
        places.initial.eq(record.write_base),
        places.advance.eq(word_end),
        places.turns.words.eq(reduce(and_, (~turn for turn in turns.values()))),
        *(places.turns[name].eq(turn) for name, turn in turns.items()),
        places.strides.words.eq(walk.layer.digits + 1),
        *(places.strides[name].eq(stride) for name, stride in _strides(machine, walk, turns).items()),
        place.group.eq(group),
        place.address.eq(places.value),
    ]
    with m.If(walk.take):
        m.d.sync += group.eq(0)
    with m.Elif(written):
        m.d.sync += group.eq(Mux(word_end, 0, group + 1))


def _turns(walk: DrainWalk, strips: bool) -> dict[str, Value]:
    """Behind a round whose words are a position's last of a tile: what comes next, from the innermost out."""
    turns: dict[str, Value] = {}
    if strips:
        turns = {"strip": walk.again, "tiles": walk.last_round & walk.loops.turns.tiles}
    turns["positions"] = walk.position_turn
    if walk.order.tiles_stream:
        turns["streamed_tiles"] = walk.tile_turn
    return turns


def _strides(machine: Machine, walk: DrainWalk, loops: Iterable[str]) -> dict[str, Value]:
    """Each loop's stride, from a tile's words to where the loop goes on."""
    layer = walk.layer
    # A strip's tiles are written one after the other, so the next strip begins behind the last of its positions.
    fields = {"strip": "position_stride", "tiles": "tile_stride", "streamed_tiles": "tile_stride"}
    fields["positions"] = "next_stride" if machine.reuse > 1 else "position_stride"
    strides: dict[str, Value] = {name: layer[fields[name]] for name in loops}
    if machine.drains > 1:
        step, place = layer.position_stride, walk.round.place
        strides["strip"] = Mux(layer.search, step, step << 1)
        strides["positions"] = layer.next_stride + Mux(place.pair, step, 0)
    return strides


def _places(machine: Machine, loops: tuple[str, ...]) -> NestedSum:
    """The address of a word's most significant digit."""
    width = address_bits(machine.activation_words)
    strides = dict.fromkeys(("words", *loops), min(ADDRESS_BITS, width))
    return NestedSum(
        width=width, strides=strides, onward={"positions": "strip"} if machine.reuse > 1 else None
    )
