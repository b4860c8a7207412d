"""Every register, program memory and flag in turn: what answers, what is refused, and that nothing stays behind.

Reads program.npz of the working folder, arrays as in program_bench.py, and sweep.json, the machine's plan:

    readable, writable   addresses of registers
    memories             32-bit slices of a word, and words, of every program memory
    seed                 of what is drawn

Behind the sweep the program must run, cycle for cycle, and again behind a reset in its midst.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from bcsim.rtl.bench.accelerator_bench import (
    Bus,
    compare,
    expected_recording,
    input_words,
    play,
    start,
    weight_source,
)
from bcsim.rtl.common.register_map import ADDRESS_BITS, Control, Error, Register

OKAY, REFUSED = 0, 2
WHOLE = 0b1111
DRAWN = 40
"""Accesses that are drawn, beside those that are listed."""
OWN_MEANING = (Register.CONTROL, Register.DATA)
"""Registers that are written where it is looked at what they do."""


class AnyBus(Bus):
    """A manager that may be refused."""

    async def try_write(self, address: int, data: int, strobes: int = WHOLE) -> int:
        """Write a register; the response."""
        dut = self.dut
        await self.rising
        dut.s_axil_awaddr.value, dut.s_axil_wdata.value, dut.s_axil_wstrb.value = address, data, strobes
        dut.s_axil_awprot.value = data & 7
        dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = dut.s_axil_bready.value = 1
        await self._until(dut.s_axil_awready)
        await self.rising
        dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = 0
        await self._until(dut.s_axil_bvalid)
        return int(dut.s_axil_bresp.value)

    async def try_read(self, address: int) -> int:
        """Read a register; the response."""
        dut = self.dut
        await self.rising
        dut.s_axil_araddr.value, dut.s_axil_arprot.value = address, address & 7
        dut.s_axil_arvalid.value = dut.s_axil_rready.value = 1
        await self._until(dut.s_axil_arready)
        await self.rising
        dut.s_axil_arvalid.value = 0
        await self._until(dut.s_axil_rvalid)
        return int(dut.s_axil_rresp.value)

    async def errors(self) -> Error:
        """The flags, which are cleared."""
        found = await self.read(Register.ERRORS)
        await self.write(Register.ERRORS, found)
        assert not await self.read(Register.ERRORS), "flags stay although they are cleared"
        return Error(found)


def walking(bits: int) -> Iterator[int]:
    """Each bit alone, and all of them."""
    yield from (1 << bit for bit in range(bits))
    yield (1 << bits) - 1


def near(addresses: Sequence[int]) -> Iterator[int]:
    """What one bit is away from an address."""
    yield from (address ^ 1 << bit for address in addresses for bit in range(ADDRESS_BITS))


class Sweep:
    """An accelerator, its plan, a program for it and a source of randomness."""

    def __init__(self, dut: Any, plan: dict[str, Any], vectors: dict[str, Any]) -> None:
        self.dut, self.plan, self.vectors = dut, plan, vectors
        self.random, self.bus = random.Random(plan["seed"]), AnyBus(dut)

    async def addresses(self) -> None:
        """Reads of every register, of what one bit of its address is away, and of others."""
        drawn = [self.random.randrange(1 << ADDRESS_BITS) for _ in range(DRAWN)]
        readable = self.plan["readable"]
        for address in (*Register, *readable, *near(readable), *walking(ADDRESS_BITS), *drawn):
            response = await self.bus.try_read(int(address))
            wanted = OKAY if address in readable else REFUSED
            assert response == wanted, f"read of {address:#x}: response {response}"
        assert await self.bus.errors() == Error.BUS_ADDRESS, "a refused read is flagged"

    async def writes(self) -> None:
        """Writes to every register that does nothing by itself, to others, and of a part of a word."""
        drawn = [self.random.randrange(1 << ADDRESS_BITS) for _ in range(DRAWN)]
        chosen = [
            address
            for address in (*Register, *near(self.plan["writable"]), *walking(ADDRESS_BITS), *drawn)
            if address not in OWN_MEANING
        ]
        for address in chosen:
            for strobes in (WHOLE, self.random.randrange(WHOLE)):
                data = self.random.getrandbits(32)
                response = await self.bus.try_write(int(address), data, strobes)
                known = strobes == WHOLE and address in self.plan["writable"]
                assert response == (OKAY if known else REFUSED), f"write of {address:#x}: {response}"
        assert await self.bus.errors() == Error.BUS_ADDRESS, "a refused write is flagged"

    async def contents(self) -> None:
        """What registers keep of what is written."""
        bus = self.bus
        for value in walking(16):
            await bus.write(Register.WATCHDOG, value)
            assert await bus.read(Register.WATCHDOG) == value, "WATCHDOG"
        await bus.write(Register.CONTROL, Control.INTERRUPT | Control.RESET)
        assert await bus.read(Register.CONTROL) == Control.INTERRUPT, "RESET reads 0"
        await bus.write(Register.CONTROL, 0)
        for value in walking(32):
            await bus.write(Register.CHECKSUM, value)
            assert await bus.read(Register.CHECKSUM) == value, "CHECKSUM"

    async def memories(self) -> None:
        """Words of every program memory at addresses of one bit, and beyond its end."""
        bus = self.bus
        for number, (slices, depth) in enumerate(self.plan["memories"]):
            await bus.write(Register.MEMORY, number)
            assert await bus.read(Register.MEMORY) == number, "MEMORY"
            places = {0, depth - 1, *(place for place in walking(16) if place < depth)}
            for place in sorted(places):
                await bus.write(Register.ADDRESS, place)
                assert await bus.read(Register.ADDRESS) == place, "ADDRESS"
                for _ in range(slices):
                    await bus.write(Register.DATA, self.random.getrandbits(32))
                assert await bus.read(Register.ADDRESS) == place + 1, "the next word"
            assert not await bus.errors() & ~Error.PARITY, "every word of a memory can be written"
            await self._beyond(number, depth)
        await self._beyond(len(self.plan["memories"]), 0)

    async def _beyond(self, number: int, place: int) -> None:
        await self.bus.write(Register.MEMORY, number)
        await self.bus.write(Register.ADDRESS, place)
        await self.bus.write(Register.DATA, 1)
        found = await self.bus.errors()
        assert found == Error.PROGRAM_SIZE, f"memory {number}, word {place}: {found!r}"

    async def flags(self) -> None:
        """A start that is refused, data while running, images of a wrong length, and the interrupt of each."""
        bus, dut = self.bus, self.dut
        await bus.write(Register.CONTROL, Control.RUN | Control.INTERRUPT)
        assert await bus.errors() & Error.CHECKSUM, "what the sweep wrote is no program"
        assert await bus.read(Register.CONTROL) == Control.INTERRUPT, "and does not run"
        await self.load(Control.RUN | Control.INTERRUPT)
        assert not int(dut.interrupt.value), "nothing to tell"
        await bus.write(Register.DATA, 1)
        assert int(dut.interrupt.value), "an error is told"
        assert await bus.errors() == Error.PROGRAM_BUSY
        assert not int(dut.interrupt.value), "and no more behind its clearing"
        for keep in (0, *walking(len(dut.s_axis_tkeep))):
            await self.image(self.words_of_image() + 1, keep)
            assert await bus.errors() == Error.IMAGE_LENGTH, "an image that is too long"
            if self.words_of_image() > 1:
                await self.image(self.words_of_image() - 1, keep)
                assert await bus.errors() == Error.IMAGE_LENGTH, "an image that is too short"

    def words_of_image(self) -> int:
        """Words of the input stream with TLAST at the last."""
        return next(count for count, (_, _, last) in enumerate(input_words(self.vectors), 1) if last)

    async def image(self, words: int, keep: int) -> None:
        """Any values, TLAST with the last of so many words."""
        dut = self.dut
        await RisingEdge(dut.clk)
        for left in reversed(range(words)):
            dut.s_axis_tvalid.value, dut.s_axis_tlast.value, dut.s_axis_tkeep.value = 1, not left, keep
            dut.s_axis_tdata.value = self.random.getrandbits(len(dut.s_axis_tdata))
            await self.bus._until(dut.s_axis_tready)
            await RisingEdge(dut.clk)
            dut.s_axis_tvalid.value = 0

    async def load(self, control: int) -> None:
        """Stop, load the program and start it."""
        await self.bus.write(Register.CONTROL, 0)
        for address, data in self.vectors["load"].tolist():
            await self.bus.write(address, data)
        await self.bus.write(Register.CONTROL, control)

    async def runs(self) -> None:
        """The program is the simulator's, and a result is told."""
        expected = expected_recording(self.vectors)
        await self.load(Control.RUN | Control.INTERRUPT)
        found = await self.play(expected.outputs[-1][0] + 1)
        difference = compare(expected, found)
        assert difference is None, f"differs from the simulator: {difference}"
        assert int(self.dut.interrupt.value), "a result is told"
        await self.bus.write(Register.INTERRUPT, 1)
        assert not int(self.dut.interrupt.value), "and no more behind its clearing"
        assert not await self.bus.errors(), "no error"

    async def play(self, cycles: int) -> Any:
        """Stream the images in and take results."""
        vectors = self.vectors
        pauses = vectors["gaps"].tolist(), vectors["holds"].tolist()
        weights = weight_source(self.dut, vectors)
        words, bits = input_words(vectors), int(vectors["group_bits"])
        return await play(self.dut, words, *pauses, bits, cycles, weights)

    async def reset(self) -> None:
        """In the midst of an image."""
        await self.load(Control.RUN | Control.INTERRUPT)
        await self.play(-900)
        self.dut.rst.value = 1
        await RisingEdge(self.dut.clk)
        await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0
        for register in (Register.CONTROL, Register.ERRORS, Register.INTERRUPT):
            assert not await self.bus.read(register), f"{register.name} behind a reset"


@cocotb.test()
async def everything_answers_as_documented(dut: Any) -> None:
    """The sweep, the program, a reset, and the program again."""
    plan = json.loads(Path("sweep.json").read_text())
    with np.load("program.npz") as file:
        sweep = Sweep(dut, plan, dict(file))
    await start(dut)
    await sweep.addresses()
    await sweep.writes()
    await sweep.contents()
    await sweep.memories()
    await sweep.flags()
    await sweep.runs()
    await sweep.reset()
    await sweep.runs()
