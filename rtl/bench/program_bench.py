"""Runs many programs on one accelerator, loading each over the bus, and compares all with the simulator.

Reads every .npz file of the working folder in order of name: the arrays of accelerator_bench.py and `load`,
int64 (L, 2), the (address, data) writes that load the program. Leaves results.json, a list in the same order.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge

from bcsim.rtl.bench.accelerator_bench import (
    compare,
    expected_recording,
    input_words,
    play,
    start,
)
from bcsim.rtl.register_map import Control, Register

PATIENCE = 100  # cycles for an answer of the bus


class Bus:
    """AXI4-Lite, one access at a time."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.rising, self.falling = RisingEdge(dut.clk), FallingEdge(dut.clk)

    async def write(self, address: int, data: int) -> None:
        """Write a register and wait for the answer, which must be OKAY."""
        dut = self.dut
        await self.rising
        dut.s_axil_awaddr.value, dut.s_axil_wdata.value, dut.s_axil_wstrb.value = address, data, 0b1111
        dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = dut.s_axil_bready.value = 1
        await self._until(dut.s_axil_awready)
        await self.rising
        dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = 0
        await self._until(dut.s_axil_bvalid)
        assert not int(dut.s_axil_bresp.value), f"write of {data:#x} to {address:#x} refused"

    async def read(self, address: int) -> int:
        """Read a register; the answer must be OKAY."""
        dut = self.dut
        await self.rising
        dut.s_axil_araddr.value = address
        dut.s_axil_arvalid.value = dut.s_axil_rready.value = 1
        await self._until(dut.s_axil_arready)
        await self.rising
        dut.s_axil_arvalid.value = 0
        await self._until(dut.s_axil_rvalid)
        assert not int(dut.s_axil_rresp.value), f"read of {address:#x} refused"
        return int(dut.s_axil_rdata.value)

    async def _until(self, signal: Any) -> None:
        for _ in range(PATIENCE):
            await self.falling
            if signal.value:
                return
        raise AssertionError(f"{signal._name} stays low")


async def load(bus: Bus, writes: Any) -> None:
    """Stop the accelerator, load a program and start it."""
    await bus.write(Register.CONTROL, 0)
    for address, data in writes:
        await bus.write(address, data)
    await bus.write(Register.CONTROL, Control.RUN)


async def run_program(dut: Any, bus: Bus, vectors: dict[str, Any]) -> dict[str, Any]:
    """Load one program, stream its images and compare; also the counters' and the error register's word for it."""
    expected = expected_recording(vectors)
    cycles = expected.outputs[-1][0] + 1
    await load(bus, vectors["load"].tolist())
    pauses = vectors["gaps"].tolist(), vectors["holds"].tolist()
    got = await play(dut, input_words(vectors), *pauses, int(vectors["group_bits"]), cycles)
    difference = compare(expected, got)
    counted = await bus.read(Register.CYCLES)
    errors = await bus.read(Register.ERRORS)
    if difference is None and (counted, errors) != (cycles, 0):
        difference = {"kind": "cycle counter and errors", "expected": [cycles, 0], "got": [counted, errors]}
    return {"writes": len(got.writes), "cycles": counted, "difference": difference}


@cocotb.test()
async def every_program_equals_the_simulator(dut: Any) -> None:
    """One after the other, without a reset in between."""
    await start(dut)
    bus, results = Bus(dut), {}
    for path in sorted(Path().glob("*.npz")):
        with np.load(path) as file:
            results[path.stem] = await run_program(dut, bus, dict(file))
    Path("results.json").write_text(json.dumps(results))
