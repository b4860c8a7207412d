"""Drives an accelerator with recorded images and compares it with the simulator, cycle for cycle.

Reads vectors.npz from the working folder and leaves result.json there. Cycle 0 is the one in which the first
input word is accepted. Arrays of vectors.npz, W input words, A writes to the activation memory, Z output words:

    tdata       uint8 (W, bytes of a word)      input words, least significant byte first
    tkeep       uint8 (W,)                      values in the word
    tlast       bool (W,)
    gaps        int64 (W,)     a word is offered this many cycles later than it could be
    holds       int64 (Z,)     an output word is left waiting for this many cycles
    write_cycle, write_address                  int64 (A,)
    write_mask  bool (A, groups of lanes)       the groups that are written
    write_data  uint8 (A, bytes of a memory word), 0 in the other groups
    output_cycle, output_data, output_last      int64, int64, bool (Z,)
    group_bits  int64 ()       bits of an activation word that one bit of the mask stands for
    identity    int64 (2,)     what the registers FINGERPRINT and CHECKSUM read
    counters    bool ()        whether the accelerator counts cycles and steps

Where weights stream, for the V words that an image needs and W of them in all:

    weight_data uint8 (V, bytes of a word)      sent again for every image
    weight_last bool (V,)
    weight_gaps int64 (W,)     as gaps; the first word is offered in cycle WEIGHT_START or as much later
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

PERIOD = 10  # ns; nothing depends on it
PATIENCE = 1000  # cycles behind the expected end after which the bench gives up

WEIGHT_START = 2

INPUTS = (
    *("s_axis_tvalid", "s_axis_tdata", "s_axis_tkeep", "s_axis_tlast", "m_axis_tready"),
    *("s_axis_weights_tvalid", "s_axis_weights_tdata", "s_axis_weights_tlast"),
    *("s_axil_awvalid", "s_axil_awaddr", "s_axil_awprot", "s_axil_wvalid", "s_axil_wdata", "s_axil_wstrb"),
    *("s_axil_bready", "s_axil_arvalid", "s_axil_araddr", "s_axil_arprot", "s_axil_rready"),
)

Word = tuple[int, int, bool]  # data, how many bytes count, last
Write = tuple[int, int, int, int]  # cycle, address, mask of groups, data
Output = tuple[int, int, bool]  # cycle, data, last


CYCLES, CYCLES_HIGH, STEPS = 0x20, 0x24, 0x28  # registers
FINGERPRINT, CHECKSUM = 0x08, 0x4C
ANSWER = 100  # cycles that the bus has for an answer


@dataclass
class Recording:
    """What the accelerator did, in cycles since it accepted the first input word."""

    writes: list[Write] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)


class Source:
    """Offers input words; word i comes gaps[i] cycles later than it could."""

    def __init__(self, dut: Any, words: Sequence[Word], gaps: Sequence[int], port: str = "s_axis") -> None:
        self.words, self.gaps = words, gaps
        self.valid, self.ready, self.data, self.last = (
            getattr(dut, f"{port}_{name}") for name in ("tvalid", "tready", "tdata", "tlast")
        )
        self.keep = getattr(dut, f"{port}_tkeep", None)
        self.index = 0
        self.wait = gaps[0] if gaps else 0

    def drive(self) -> None:
        offered = self.index < len(self.gaps) and self.wait == 0
        self.valid.value = int(offered)
        if offered:
            data, kept, last = self.words[self.index % len(self.words)]
            self.data.value = data
            self.last.value = int(last)
            if self.keep is not None:
                self.keep.value = (1 << kept) - 1

    def sample(self) -> bool:
        """Whether a word is accepted in this cycle."""
        if self.wait:
            self.wait -= 1
            return False
        if self.index == len(self.gaps) or not self.ready.value:
            return False
        self.index += 1
        self.wait = self.gaps[self.index] if self.index < len(self.gaps) else 0
        return True


class Sink:
    """Takes output words; word j waits for holds[j] cycles."""

    def __init__(self, dut: Any, holds: Sequence[int]) -> None:
        self.dut, self.holds = dut, holds
        self.index = 0
        self.wait = holds[0]

    def drive(self) -> None:
        self.dut.m_axis_tready.value = int(self.wait == 0)

    def sample(self) -> tuple[int, bool] | None:
        """The word that is accepted in this cycle."""
        if not self.dut.m_axis_tvalid.value:
            return None
        if self.wait:
            self.wait -= 1
            return None
        self.index += 1
        self.wait = self.holds[self.index] if self.index < len(self.holds) else 0
        return int(self.dut.m_axis_tdata.value), bool(self.dut.m_axis_tlast.value)


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
        for _ in range(ANSWER):
            await self.falling
            if signal.value:
                return
        raise AssertionError(f"{signal._name} stays low")


async def read_counters(bus: Bus) -> tuple[int, int]:
    """What the accelerator counted: cycles, from the first input word to the last class, and steps of its array."""
    return await bus.read(CYCLES) | await bus.read(CYCLES_HIGH) << 32, await bus.read(STEPS)


def cycles_of(recording: Recording) -> int:
    """From the first input word to the last class, both included, as the bench saw them."""
    return recording.outputs[-1][0] + 1 if recording.outputs else 0


async def read_identity(bus: Bus) -> list[int]:
    """The machine and the program that the accelerator was made from."""
    return [await bus.read(FINGERPRINT), await bus.read(CHECKSUM)]


async def start(dut: Any) -> None:
    """Start the clock and hold the reset for a few cycles."""
    for name in INPUTS:
        if hasattr(dut, name):
            getattr(dut, name).value = 0
    dut.rst.value = 1
    Clock(dut.clk, PERIOD, "ns").start(start_high=False)
    for _ in range(4):
        await RisingEdge(dut.clk)
    dut.rst.value = 0


async def play(
    dut: Any,
    words: Sequence[Word],
    gaps: Sequence[int],
    holds: Sequence[int],
    group_bits: int,
    cycles: int,
    weights: Source | None = None,
) -> Recording:
    """Stream `words` in and take as many output words as there are `holds`, which should take `cycles` cycles."""
    source, sink, recording = Source(dut, words, gaps), Sink(dut, holds), Recording()
    rising, falling = RisingEdge(dut.clk), FallingEdge(dut.clk)
    zero = None
    for now in range(gaps[0] + cycles + PATIENCE):
        await rising
        source.drive()
        sink.drive()
        stream = weights if zero is not None and now - zero >= WEIGHT_START else None
        if stream:
            stream.drive()
        await falling
        if stream:
            stream.sample()
        accepted = source.sample()
        if zero is None and accepted:
            zero = now
        cycle = now - (zero or 0)
        write = sample_write(dut, cycle, group_bits)
        if write:
            recording.writes.append(write)
        output = sink.sample()
        if output:
            recording.outputs.append((cycle, *output))
        if sink.index == len(holds):
            break
    await rising
    dut.s_axis_tvalid.value = 0
    dut.m_axis_tready.value = 0
    if weights is not None:
        weights.valid.value = 0
    return recording


def sample_write(dut: Any, cycle: int, group_bits: int) -> Write | None:
    """The write to the activation memory in this cycle, with 0 in the groups that are not written."""
    mask = int(dut.monitor_write_enable.value)
    if not mask:
        return None
    ones, kept = (1 << group_bits) - 1, 0
    for group in range(mask.bit_length()):
        kept |= ones << group * group_bits if mask >> group & 1 else 0
    return cycle, int(dut.monitor_write_address.value), mask, int(dut.monitor_write_data.value) & kept


def first_difference(kind: str, expected: Sequence[Any], got: Sequence[Any]) -> dict[str, Any] | None:
    """The first place where two lists of writes or output words differ."""
    for index in range(max(len(expected), len(got))):
        wanted = expected[index] if index < len(expected) else None
        found = got[index] if index < len(got) else None
        if wanted != found:
            return {"kind": kind, "index": index, "expected": wanted, "got": found}
    return None


def compare(expected: Recording, got: Recording) -> dict[str, Any] | None:
    """The first difference between two recordings."""
    return first_difference("write", expected.writes, got.writes) or first_difference(
        "output", expected.outputs, got.outputs
    )


def expected_recording(vectors: Mapping[str, Any]) -> Recording:
    """What the simulator recorded."""
    masks = integers(np.packbits(vectors["write_mask"], axis=1, bitorder="little"))
    times = (vectors[name].tolist() for name in ("write_cycle", "write_address"))
    outputs = (vectors[name].tolist() for name in ("output_cycle", "output_data", "output_last"))
    writes = zip(*times, masks, integers(vectors["write_data"]), strict=True)
    return Recording(list(writes), list(zip(*outputs, strict=True)))


def input_words(vectors: Mapping[str, Any]) -> list[Word]:
    """The input stream."""
    return list(
        zip(integers(vectors["tdata"]), vectors["tkeep"].tolist(), vectors["tlast"].tolist(), strict=True)
    )


def weight_source(dut: Any, vectors: Mapping[str, Any]) -> Source | None:
    """The weight stream, where the accelerator has one."""
    if "weight_data" not in vectors:
        return None
    data, last = integers(vectors["weight_data"]), vectors["weight_last"].tolist()
    words = [(word, 0, end) for word, end in zip(data, last, strict=True)]
    return Source(dut, words, vectors["weight_gaps"].tolist(), "s_axis_weights")


def integers(rows: Any) -> list[int]:
    """The integer in each row of bytes, least significant first."""
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


@cocotb.test()
async def equals_the_simulator(dut: Any) -> None:
    """Every write and every output word, in the same cycles."""
    with np.load("vectors.npz") as file:
        vectors = dict(file)
    expected = expected_recording(vectors)
    await start(dut)
    bus = Bus(dut)
    found = await read_identity(bus)
    assert found == vectors["identity"].tolist(), "the vectors are of another machine or program"
    words, gaps, holds = input_words(vectors), vectors["gaps"].tolist(), vectors["holds"].tolist()
    cycles = expected.outputs[-1][0] + 1
    weights = weight_source(dut, vectors)
    got = await play(dut, words, gaps, holds, int(vectors["group_bits"]), cycles, weights)
    counted, steps = await read_counters(bus) if vectors["counters"] else (cycles_of(got), None)
    result = {
        "writes": len(got.writes),
        "outputs": len(got.outputs),
        "cycles": counted,
        "steps": steps,
        "difference": compare(expected, got) or first_difference("cycle count", [cycles], [counted]),
    }
    Path("result.json").write_text(json.dumps(result))
    assert result["difference"] is None, f"differs from the simulator: {result['difference']}"
