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

from bcsim.rtl.bench.accelerator_bench import (
    Bus,
    compare,
    expected_recording,
    input_words,
    play,
    read_counters,
    start,
    weight_source,
)
from bcsim.rtl.common.register_map import Control, Register


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
    weights = weight_source(dut, vectors)
    got = await play(dut, input_words(vectors), *pauses, int(vectors["group_bits"]), cycles, weights)
    difference = compare(expected, got)
    counted, _ = await read_counters(bus)
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
