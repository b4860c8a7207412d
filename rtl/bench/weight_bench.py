"""The accelerator's weight stream behind the bus models of cocotbext-axi: values and order, not cycles.

Reads the programs first.npz and second.npz of the working folder, as bus_bench.py does; the weights of both stream.
"""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSource

from bcsim.rtl.bench.bus_bench import Harness, begin, check_results, read
from bcsim.rtl.common.register_map import Control, Error, Register

SILENCE = 2000  # cycles in which another class would have come


class StreamingHarness(Harness):
    """A harness that sends the weights with every image, from a source that pauses, too."""

    def __init__(self, dut: Any, seed: int) -> None:
        super().__init__(dut, seed)
        bus = AxiStreamBus.from_prefix(dut, "s_axis_weights")
        self.weights = AxiStreamSource(bus, dut.clk, dut.rst)
        self.weights.set_pause_generator(self._pauses())
        self.packet = b""

    async def load(self, vectors: dict[str, Any]) -> None:
        """Load a program, and keep an image's weights."""
        await super().load(vectors)
        self.packet = vectors["weight_data"].tobytes()

    async def send(self, image: bytes) -> None:
        """Queue an image and its weights."""
        await super().send(image)
        await self.weights.send(AxiStreamFrame(self.packet))


@cocotb.test()
async def two_streamed_programs_one_after_another(dut: Any) -> None:
    """Both give their results, and no error is noted."""
    harness = await begin(dut, 1, StreamingHarness)
    for name in ("first", "second", "first"):
        vectors, images, expected = read(name)
        await harness.load(vectors)
        await check_results(harness, images, expected)
        assert await harness.host.read_dword(Register.IMAGES) == len(images)
        assert await harness.host.read_dword(Register.ERRORS) == 0


@cocotb.test()
async def a_packet_of_a_wrong_length_stops_the_machine(dut: Any) -> None:
    """No class comes behind it, an error flag says why, and a start over makes everything good."""
    harness = await begin(dut, 2, StreamingHarness)
    vectors, images, expected = read("first")
    size = vectors["weight_data"].shape[1]
    await harness.load(vectors)
    for extra in (-size, size):
        await harness.send(images[0])
        await Harness.send(harness, images[1])
        wrong = harness.packet[:extra] if extra < 0 else harness.packet + bytes(extra)
        await harness.weights.send(AxiStreamFrame(wrong))
        assert await harness.receive() == expected[0]
        await ClockCycles(dut.clk, SILENCE)
        assert harness.sink.empty()
        assert await harness.host.read_dword(Register.ERRORS) == Error.WEIGHT_LENGTH
        harness.weights.clear()
        await harness.reset()
        await harness.host.write_dword(Register.CONTROL, Control.RUN)
        await check_results(harness, images, expected)
