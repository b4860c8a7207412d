"""The accelerator behind the bus models of cocotbext-axi: values and order, not cycles.

Reads the programs first.npz and second.npz of the working folder, as program_bench.py does; first.npz also has
`foreign`, the writes that load a program for another machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any, TypeVar

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from bcsim.rtl.bench.accelerator_bench import INPUTS, PERIOD
from bcsim.rtl.common.register_map import IDENTIFICATION, Control, Error, ProgramMemory, Register, Status

TIMEOUT = 50_000  # cycles for one image


class Harness:
    """The accelerator with a source, a sink and a host, which all pause at random."""

    def __init__(self, dut: Any, seed: int) -> None:
        self.dut, self.random = dut, random.Random(seed)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        self.source.set_pause_generator(self._pauses())
        self.sink.set_pause_generator(self._pauses())

    def _pauses(self) -> Iterator[bool]:
        return cycle([self.random.random() < 0.3 for _ in range(997)])

    async def reset(self) -> None:
        """Hold the reset for a few cycles."""
        self.dut.rst.value = 1
        await ClockCycles(self.dut.clk, 4)
        self.dut.rst.value = 0
        await RisingEdge(self.dut.clk)

    async def load(self, vectors: dict[str, Any]) -> None:
        """Stop, load a program over the bus, start."""
        await self.host.write_dword(Register.CONTROL, 0)
        for address, data in vectors["load"].tolist():
            await self.host.write_dword(address, data)
        await self.host.write_dword(Register.CONTROL, Control.RUN)

    async def send(self, image: bytes) -> None:
        """Queue an image."""
        await self.source.send(AxiStreamFrame(image))

    async def receive(self) -> list[int]:
        """An image's result: the scores and the class."""
        frame = await with_timeout(self.sink.recv(), TIMEOUT * PERIOD, "ns")
        data = bytes(frame.tdata)
        return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]


Built = TypeVar("Built", bound=Harness)


async def begin(dut: Any, seed: int, kind: Callable[[Any, int], Built]) -> Built:
    """A harness behind the reset."""
    for name in INPUTS:
        if hasattr(dut, name):
            getattr(dut, name).value = 0
    dut.rst.value = 1
    Clock(dut.clk, PERIOD, "ns").start(start_high=False)
    harness = kind(dut, seed)
    await harness.reset()
    return harness


def read(name: str) -> tuple[dict[str, Any], list[bytes], list[list[int]]]:
    """A program's arrays, its images as bytes and the results that are expected."""
    with np.load(f"{name}.npz") as file:
        vectors = dict(file)
    kept = [row[:count].tobytes() for row, count in zip(vectors["tdata"], vectors["tkeep"], strict=True)]
    images = [b"".join(words) for words in _split(kept, vectors["tlast"])]
    return vectors, images, list(_split(vectors["output_data"].tolist(), vectors["output_last"]))


def _split(values: list[Any], last: Any) -> Iterator[list[Any]]:
    ends = (np.flatnonzero(last) + 1).tolist()
    for start, end in zip([0, *ends], ends, strict=False):
        yield values[start:end]


async def check_results(harness: Harness, images: list[bytes], expected: list[list[int]]) -> None:
    for image in images:
        await harness.send(image)
    for result in expected:
        assert await harness.receive() == result


@cocotb.test()
async def two_programs_one_after_another(dut: Any) -> None:
    """Both give their results, and the registers say so."""
    harness = await begin(dut, 1, Harness)
    assert await harness.host.read_dword(Register.IDENTIFICATION) == IDENTIFICATION
    for name in ("first", "second", "first"):
        vectors, images, expected = read(name)
        await harness.load(vectors)
        await check_results(harness, images, expected)
        assert await harness.host.read_dword(Register.IMAGES) == len(images)
        assert await harness.host.read_dword(Register.ERRORS) == 0
        status = Status(await harness.host.read_dword(Register.STATUS))
        assert status == Status.RUNNING | Status.OUTPUT_FREE


@cocotb.test()
async def reset_in_mid_image(dut: Any) -> None:
    """Whatever was under way is forgotten; the memories keep the program."""
    harness = await begin(dut, 2, Harness)
    vectors, images, expected = read("first")
    await harness.load(vectors)
    for cycles in (3, 20, 55, 160):
        await harness.send(images[0])
        await harness.send(images[1])
        await ClockCycles(dut.clk, cycles)
        await harness.reset()
        harness.source.clear()
        harness.sink.clear()
        await harness.host.write_dword(Register.CONTROL, Control.RUN)
        await check_results(harness, images, expected)


@cocotb.test()
async def stop_in_mid_image(dut: Any) -> None:
    """The same with the control register, and with another program behind it."""
    harness = await begin(dut, 3, Harness)
    for name, cycles in (("first", 1), ("second", 4), ("first", 16), ("second", 7)):
        vectors, images, expected = read(name)
        await harness.load(vectors)
        await check_results(harness, images, expected)
        await harness.send(images[0])
        await harness.source.wait()
        await ClockCycles(dut.clk, cycles)


@cocotb.test()
async def images_of_a_wrong_length_are_dropped(dut: Any) -> None:
    """Between good ones, with the error flag, which writing clears."""
    harness = await begin(dut, 4, Harness)
    vectors, images, expected = read("first")
    await harness.load(vectors)
    size = vectors["tdata"].shape[1]
    short = images[0][: (len(images[0]) - 1) // size * size]
    for wrong in (short, images[0] + bytes(size), images[0] + b"\x01" * 100):
        await harness.send(images[0])
        await harness.send(wrong)
        await check_results(harness, images[1:], expected)
        assert await harness.host.read_dword(Register.ERRORS) == Error.IMAGE_LENGTH
        await harness.host.write_dword(Register.ERRORS, Error.IMAGE_LENGTH)
        assert await harness.host.read_dword(Register.ERRORS) == 0


@cocotb.test()
async def a_program_for_another_machine_is_refused(dut: Any) -> None:
    """It never runs, an error flag says why, and the right program runs behind it."""
    harness = await begin(dut, 5, Harness)
    vectors, images, expected = read("first")
    foreign = dict(vectors, load=vectors["foreign"])
    await harness.load(foreign)
    assert await harness.host.read_dword(Register.ERRORS) == Error.FINGERPRINT
    assert not Status(await harness.host.read_dword(Register.STATUS)) & Status.RUNNING
    await harness.host.write_dword(Register.ERRORS, Error.FINGERPRINT)
    await harness.load(vectors)
    await check_results(harness, images, expected)
    assert await harness.host.read_dword(Register.ERRORS) == 0


@cocotb.test()
async def words_beyond_a_memory_set_a_flag(dut: Any) -> None:
    """A program that is too large is told, and hurts nothing."""
    harness = await begin(dut, 6, Harness)
    vectors, images, expected = read("first")
    await harness.load(vectors)
    await harness.host.write_dword(Register.CONTROL, 0)
    await harness.host.write_dword(Register.MEMORY, ProgramMemory.ISSUE)
    await harness.host.write_dword(Register.ADDRESS, 1 << 20)
    await harness.host.write_dword(Register.DATA, 1)
    assert await harness.host.read_dword(Register.ERRORS) == Error.PROGRAM_SIZE
    await harness.host.write_dword(Register.ERRORS, Error.PROGRAM_SIZE)
    await harness.host.write_dword(Register.CONTROL, Control.RUN)
    await check_results(harness, images, expected)
