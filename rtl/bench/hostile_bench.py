"""Loads wrong programs, resets in mid-image and breaks the bus' rules; behind each the right program must run again.

Reads program.npz of the working folder, arrays as in program_bench.py, and trials.json, the seeds. Leaves
results.json: for every seed the kind of its trial and what came of it.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from bcsim.rtl.bench.accelerator_bench import (
    Bus,
    Recording,
    compare,
    expected_recording,
    input_words,
    play,
    start,
    weight_source,
)
from bcsim.rtl.common.register_map import Control, Register

Vectors: TypeAlias = dict[str, Any]
Writes: TypeAlias = list[list[int]]

LIMIT = 1
"""Of WATCHDOG, so that a trial that hangs ends after 4,096 cycles."""
PATIENT = 2 * 4096
"""Cycles in which a result or a flag must come."""


class Trial:
    """An accelerator, a right program and a source of randomness."""

    def __init__(self, dut: Any, vectors: Vectors, seed: int) -> None:
        self.dut, self.vectors, self.random = dut, vectors, random.Random(seed)
        self.bus, self.right = Bus(dut), vectors["load"].tolist()

    async def load(self, writes: Writes) -> None:
        """Stop, load and start, whatever the writes are."""
        await self.bus.write(Register.CONTROL, 0)
        await self.bus.write(Register.ERRORS, 0xFFFFFFFF)
        await self.bus.write(Register.WATCHDOG, LIMIT)
        for address, data in writes:
            await self.bus.write(address, data)
        await self.bus.write(Register.CONTROL, Control.RUN)

    async def play(self, cycles: int) -> Recording:
        """Stream the images in and take results, for some cycles."""
        vectors = self.vectors
        pauses = vectors["gaps"].tolist(), vectors["holds"].tolist()
        weights = weight_source(self.dut, vectors)
        return await play(
            self.dut, input_words(vectors), *pauses, int(vectors["group_bits"]), cycles, weights
        )

    def mutated(self) -> Writes:
        """The load with one word to all of them changed, each by a bit or altogether."""
        writes = [list(write) for write in self.right[:-1]]
        data = [index for index, (address, _) in enumerate(writes) if address == Register.DATA]
        for index in self.random.sample(data, self.random.choice([1, 1, 2, 8, len(data)])):
            flip, anything = 1 << self.random.randrange(32), self.random.getrandbits(32)
            writes[index][1] = writes[index][1] ^ flip if self.random.random() < 0.5 else anything
        return writes


def closed(writes: Writes) -> Writes:
    """The writes with a checksum that vouches for them."""
    words = b"".join(data.to_bytes(4, "little") for _, data in writes)
    return [*writes, [Register.CHECKSUM, zlib.crc32(words)]]


async def corrupted(trial: Trial) -> str:
    """A program that changed on its way: its checksum is the right one's."""
    await trial.load([*trial.mutated(), trial.right[-1]])
    return await outcome(trial)


async def vouched(trial: Trial) -> str:
    """A wrong program whose host vouches for it."""
    await trial.load(closed(trial.mutated()))
    return await outcome(trial)


async def outcome(trial: Trial) -> str:
    """What a started program comes to: flagged, right, wrong, or a hang that nothing tells."""
    if await trial.bus.read(Register.ERRORS):
        return "flagged"
    got = await trial.play(PATIENT)
    if await trial.bus.read(Register.ERRORS):
        return "flagged"
    expected = expected_recording(trial.vectors)
    values, wanted = ([output[1:] for output in r.outputs] for r in (got, expected))
    # A wrong program may give an image fewer scores, or so many that no more words were taken.
    answers, images = (sum(last for _, last in words) for words in (values, wanted))
    if answers < images and len(values) < len(wanted):
        return "silent hang"
    return "right" if values == wanted else "wrong"


async def interrupted(trial: Trial) -> str:
    """The right program, stopped, started over or reset at any moment."""
    await trial.load(trial.right)
    await trial.play(trial.random.randrange(1, 400) - 100)
    await trial.random.choice([reset, stop, start_over])(trial)
    return "interrupted"


async def reset(trial: Trial) -> None:
    trial.dut.rst.value = 1
    for _ in range(trial.random.randrange(1, 4)):
        await RisingEdge(trial.dut.clk)
    trial.dut.rst.value = 0


async def stop(trial: Trial) -> None:
    await trial.bus.write(Register.CONTROL, 0)


async def start_over(trial: Trial) -> None:
    await trial.bus.write(Register.CONTROL, Control.RUN | Control.RESET)


async def abused(trial: Trial) -> str:
    """A manager that keeps to no rule of the bus, and streams that keep to none of theirs."""
    dut, draw = trial.dut, trial.random
    for _ in range(draw.randrange(20, 200)):
        await RisingEdge(dut.clk)
        for name in ("awvalid", "wvalid", "bready", "arvalid", "rready"):
            getattr(dut, f"s_axil_{name}").value = draw.getrandbits(1)
        for name, values in (("awaddr", 0x60), ("araddr", 0x60), ("wstrb", 16), ("wdata", 1 << 32)):
            getattr(dut, f"s_axil_{name}").value = draw.randrange(values)
        dut.s_axis_tvalid.value, dut.s_axis_tlast.value = draw.getrandbits(1), draw.getrandbits(1)
        dut.m_axis_tready.value = draw.getrandbits(1)
    await RisingEdge(dut.clk)
    for name in ("s_axil_awvalid", "s_axil_wvalid", "s_axil_arvalid", "s_axis_tvalid", "m_axis_tready"):
        getattr(dut, name).value = 0
    dut.s_axil_bready.value = dut.s_axil_rready.value = 1
    for _ in range(2):
        await RisingEdge(dut.clk)
    return "abused"


KINDS: tuple[Callable[[Trial], Awaitable[str]], ...] = (corrupted, vouched, interrupted, abused)


async def recovers(trial: Trial) -> Any:
    """The first difference of the right program, loaded behind the trial, from the simulator; None where equal."""
    expected = expected_recording(trial.vectors)
    await trial.load(trial.right)
    difference = compare(expected, await trial.play(expected.outputs[-1][0] + 1))
    errors = await trial.bus.read(Register.ERRORS)
    return difference or (errors and {"kind": "errors", "got": errors}) or None


@cocotb.test()
async def every_trial_ends_and_the_right_program_runs_behind_it(dut: Any) -> None:
    """One trial after the other, without a reset in between but for the trials' own."""
    with np.load("program.npz") as file:
        vectors = dict(file)
    await start(dut)
    results = {}
    for seed in json.loads(Path("trials.json").read_text()):
        trial = Trial(dut, vectors, seed)
        kind = KINDS[seed % len(KINDS)]
        result = await kind(trial)
        difference = await recovers(trial)
        results[seed] = {"kind": kind.__name__, "result": result, "difference": difference}
    Path("results.json").write_text(json.dumps(results))
