"""The output's buffer on a machine that can take several images at once: a place for the scores of each."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory
from amaranth.lib.data import View
from amaranth.lib.wiring import PureInterface

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import QUOTIENT_BITS

__all__ = ["buffer_batch"]


def buffer_batch(
    m: Module, machine: Machine, output: PureInterface, score: Signal, advance: Value, final: Value
) -> Value:
    """Buffer the scores that `output` is given; returns whether none are left behind the class that is next.

    Scores come tile by tile, of every image those of the tile; they go image by image.

    score : driven with the next one to send. advance : it is sent. final : it is its image's last one.
    """
    words = -(-machine.outputs // machine.requantisers)
    depth = machine.batch << (words - 1).bit_length()
    m.submodules.scores = scores = memory.Memory(
        shape=machine.requantisers * QUOTIENT_BITS, depth=depth, init=[]
    )
    write, read = scores.write_port(), scores.read_port()
    last = output.record.images
    m.d.comb += [
        write.en.eq(output.write),
        write.data.eq(output.values),
        write.addr.eq(_write_place(m, words, output.write, output.turn, output.last, last)),
    ]
    lane = Signal(range(machine.requantisers))
    word_end = Signal()
    image, address = _read_place(m, words, word_end, advance & final, last)
    m.d.comb += [
        word_end.eq(advance & (final | (lane == machine.requantisers - 1))),
        read.addr.eq(address),
        score.eq(read.data.word_select(lane, QUOTIENT_BITS)),
    ]
    with m.If(advance):
        m.d.sync += lane.eq(Mux(word_end, 0, lane + 1))
    return image == 0


def _write_place(
    m: Module, words: int, written: Value, turn: Value, end: Value, last: View | Signal
) -> Value:
    """Where the scores go: behind a tile's of one image come those of the next image, or the next tile's."""
    word, tile, image = Signal(range(words)), Signal(range(words)), Signal.like(last)
    round_end = image == last
    with m.If(written):
        m.d.sync += word.eq(word + 1)
        with m.If(turn):
            m.d.sync += image.eq(Mux(round_end, 0, image + 1))
            with m.If(round_end):
                m.d.sync += tile.eq(word + 1)
            with m.Else():
                m.d.sync += word.eq(tile)
    with m.If(end):
        m.d.sync += [word.eq(0), tile.eq(0), image.eq(0)]
    return Cat(word, image)


def _read_place(
    m: Module, words: int, word_end: Value, image_end: Value, last: View | Signal
) -> tuple[Signal, Value]:
    """The image whose scores are next, and where their word will be a cycle later."""
    word, image = Signal(range(words)), Signal.like(last)
    next_word, next_image = Signal.like(word), Signal.like(image)
    m.d.comb += [
        next_word.eq(Mux(image_end, 0, word + word_end)),
        next_image.eq(Mux(image_end, Mux(image == last, 0, image + 1), image)),
    ]
    m.d.sync += [word.eq(next_word), image.eq(next_image)]
    return image, Cat(next_word, next_image)
