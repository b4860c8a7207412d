"""Runs a program on an accelerator whose registers and memories held nothing: no unknown value comes out.

Reads program.npz of the working folder, arrays as in program_bench.py. From the reset on, in every cycle, what tells of
something must be known, and what goes with it where there is something. Before a program is loaded, every register
can be read but CHECKSUM, which outlives a reset as the memories do. For a simulator of four values.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge

from bcsim.rtl.bench.accelerator_bench import Bus, start
from bcsim.rtl.bench.program_bench import run_program
from bcsim.rtl.common.register_map import Register

ALWAYS = (
    *("s_axis_tready", "m_axis_tvalid", "s_axis_weights_tready", "interrupt", "monitor_write_enable"),
    *("s_axil_awready", "s_axil_wready", "s_axil_arready", "s_axil_bvalid", "s_axil_rvalid"),
)
"""Outputs that are known in every cycle."""
PAYLOADS = {
    "m_axis_tvalid": ("m_axis_tdata", "m_axis_tlast"),
    "s_axil_bvalid": ("s_axil_bresp",),
    "s_axil_rvalid": ("s_axil_rdata", "s_axil_rresp"),
    "monitor_write_enable": ("monitor_write_address", "monitor_write_data"),
}
"""Outputs that are known where another is not 0."""
UNREAD = (Register.DATA, Register.STALL_WEIGHTS, Register.CHECKSUM)
"""Registers that not every machine lets read, and the one that is not known before a load."""


async def watch(dut: Any) -> None:
    """Fail in the first cycle in which an output is unknown that should not be."""
    while True:
        await FallingEdge(dut.clk)
        for name in ALWAYS:
            known(dut, name)
        for told, names in PAYLOADS.items():
            if int(getattr(dut, told).value):
                for name in names:
                    known(dut, name)


def known(dut: Any, name: str) -> None:
    """AssertionError where an output is not."""
    signal = getattr(dut, name, None)
    assert signal is None or signal.value.is_resolvable, f"{name} is unknown: {signal.value}"


@cocotb.test()
async def nothing_unknown_comes_out(dut: Any) -> None:
    """Registers behind the reset, then a program and its images, then registers again."""
    with np.load("program.npz") as file:
        vectors = dict(file)
    await start(dut)
    watching = cocotb.start_soon(watch(dut))
    bus = Bus(dut)
    for register in Register:
        if register not in UNREAD:
            await bus.read(register)
    result = await run_program(dut, bus, vectors)
    assert result["difference"] is None, f"differs from the simulator: {result['difference']}"
    for register in (*(each for each in Register if each not in UNREAD), Register.CHECKSUM):
        await bus.read(register)
    watching.cancel()
