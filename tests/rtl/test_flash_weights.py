# amaranth: UnusedElaboratable=no
"""Weights from a flash: the accelerator's cycles are those of the machine level with the reader's words and pauses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Elaboratable, Module, Signal

from bcsim.compiler.mapping.mapping import map_program
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.common.axi import StreamSignature
from bcsim.rtl.generate.vectors import weight_words
from bcsim.rtl.link.flash_reader import (
    FIRST_WORD,
    REPEAT,
    FlashReader,
    flash_contents,
    flash_mark,
    word_cycles,
)
from bcsim.simulator.pauses import Pauses
from bcsim.simulator.simulator import run_machine, stream_values
from tests.programs import random_images
from tests.rtl.bench import Bench, expected
from tests.rtl.link.flash_model import FlashModel
from tests.streaming import streamed_network

IMAGES = 2


class Flashed(Elaboratable):
    """An accelerator and its reader; `open` lets words pass."""

    def __init__(self, accelerator: Accelerator, reader: FlashReader) -> None:
        self.accelerator, self.reader, self.open = accelerator, reader, Signal()
        self.machine = accelerator.machine
        for name in ("s_axis", "m_axis", "s_axil", "monitor"):
            setattr(self, name, getattr(accelerator, name))
        self.s_axis_weights = StreamSignature(size=accelerator.machine.weight_stream_bytes).create()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator, m.submodules.reader = self.accelerator, self.reader
        words, port = self.reader.stream, self.accelerator.s_axis_weights
        m.d.comb += [
            port.tdata.eq(words.tdata),
            port.tlast.eq(words.tlast),
            port.tvalid.eq(words.tvalid & self.open),
            words.tready.eq(port.tready & self.open),
        ]
        return m


class FlashBench(Bench):
    """A bench whose weights come from a flash, whose first word waits for the run's start."""

    def __init__(self, dut: Flashed, flash: FlashModel) -> None:
        super().__init__(dut)
        self.flash, self.lines = flash, 0

    def step(self, ctx) -> None:
        """The flash's part of a cycle."""
        reader = self.dut.reader
        ctx.set(reader.data, self.lines)
        pins = (reader.select, reader.clock, reader.command)
        self.lines = self.flash.step(*(ctx.get(pin) for pin in pins))

    def observe(self, ctx, cycle, recording) -> None:
        self.step(ctx)
        super().observe(ctx, cycle, recording)

    def offer_weights(self, ctx, weights, loaded) -> None:
        ctx.set(self.dut.open, 1)


def flash_gaps(size: int, words: int) -> list[int]:
    """Pauses before the words of IMAGES packets, the first of which waits already."""
    word = word_cycles(size)
    packet = [word - 1] * (words - 1)
    return [0, *packet, *([REPEAT + 2 * word - 1, *packet] * (IMAGES - 1))]


@pytest.mark.parametrize(("seed", "banks"), [(700, 1), (702, 2)])
def test_the_cycles_are_the_machine_levels(seed: int, banks: int) -> None:
    rng = np.random.default_rng(seed)
    mapping = streamed_network(seed, spatial=seed == 702)
    machine = replace(mapping.machine, activation_words=1 << 14, activation_banks=banks)
    mapping = map_program(mapping.program, machine)
    q = random_images(rng, mapping.program, IMAGES)
    data, _ = weight_words(mapping)
    packet, size = data.tobytes(), machine.weight_stream_bytes
    gaps = flash_gaps(size, len(data))
    run = run_machine(mapping, q, record=IMAGES, pauses=Pauses(weight_gaps=gaps))
    reader = FlashReader(size=size, words=len(data), begin=4096, mark=flash_mark(packet, size))
    flash = FlashModel(flash_contents(packet, size), base=4096)
    bench = FlashBench(Flashed(Accelerator(machine, mapping.image), reader), flash)
    values = stream_values(mapping, q).tolist()

    async def script(ctx) -> None:
        for _ in range(FIRST_WORD + 2 * word_cycles(size) + 1):
            bench.step(ctx)
            await ctx.tick()
        images = values if machine.spatial else q.tolist()
        packets = IMAGES * (mapping.program.classes + 1)
        recording = await bench.play(ctx, images, packets, weights=[(0, 0, 0)])
        assert recording == expected(run)

    bench.run(script)
    assert flash.reads >= IMAGES
