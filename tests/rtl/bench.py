"""Runs an Accelerator in Amaranth's simulator: streams in, streams out, writes seen, registers by bus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from amaranth.sim import Simulator

from bcsim.machine.latency import WEIGHT_START
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.common.register_map import Register


@dataclass
class Recording:
    """Writes as (cycle, address, mask, data of the written lanes) and output words as (cycle, data, last)."""

    writes: list[tuple[int, int, int, int]] = field(default_factory=list)
    outputs: list[tuple[int, int, int]] = field(default_factory=list)


class Pauses:
    """One side of a stream, which pauses before each word for the given number of waiting cycles."""

    def __init__(self, pauses: Sequence[int]) -> None:
        self.pauses = pauses
        self.done = 0
        self.left = pauses[0]

    @property
    def finished(self) -> bool:
        return self.done == len(self.pauses)

    @property
    def ready(self) -> bool:
        return self.left == 0 and not self.finished

    def step(self, *, waiting: bool, done: bool) -> None:
        """A cycle ends in which a word was waited for, and was passed on."""
        if done:
            self.done += 1
            self.left = 0 if self.finished else self.pauses[self.done]
        elif waiting and self.left:
            self.left -= 1


class Bench:
    """An accelerator between a source, a sink and a bus manager.

    `play` streams images in and waits for their packets; cycle 0 is the acceptance of its first word.
    """

    def __init__(self, dut: Accelerator) -> None:
        self.dut = dut
        self.machine = dut.machine
        self.bus = Manager(dut.s_axil)

    def run(self, script) -> None:
        """Run the coroutine function `script`, which is given a simulation context."""
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(script)
        simulator.run()

    async def play(
        self, ctx, images, packets: int, gaps=None, holds=None, limit: int = 20_000, weights=()
    ) -> Recording:
        """Stream `images` in until `packets` output words have left.

        gaps, holds : for every input and output word, as in `bcsim.simulator.pauses.Pauses`.
        weights : words of the weight stream, (tdata, tlast, gap).
        """
        words = self.words(images)
        gaps = [0] * len(words) if gaps is None else gaps
        holds = [0] * packets if holds is None else holds
        recording = await self.stream(ctx, words, gaps, holds, limit, weights)
        assert len(recording.outputs) == packets, (
            f"{len(recording.outputs)} of {packets} words in {limit} cycles"
        )
        return recording

    async def stream(self, ctx, words, gaps, holds, limit: int, weights=()) -> Recording:
        """`play` for stream words, for at most `limit` cycles."""
        dut, recording, zero = self.dut, Recording(), None
        source, sink = Pauses(gaps), Pauses(holds)
        loaded = Pauses([gap for _, _, gap in weights] or [0])
        for now in range(limit):
            offered = source.ready
            ctx.set(dut.s_axis.tvalid, int(offered))
            if offered:
                data, keep, last = words[source.done]
                ctx.set(dut.s_axis.tdata, data)
                ctx.set(dut.s_axis.tkeep, keep)
                ctx.set(dut.s_axis.tlast, last)
            ctx.set(dut.m_axis.tready, int(sink.ready))
            if weights and zero is not None and now - zero >= WEIGHT_START:
                self.offer_weights(ctx, weights, loaded)
            accepted = offered and bool(ctx.get(dut.s_axis.tready))
            if accepted and zero is None:
                zero = now
            cycle = now - (zero or 0)
            self.observe(ctx, cycle, recording)
            valid = bool(ctx.get(dut.m_axis.tvalid))
            if valid and sink.ready:
                recording.outputs.append((cycle, ctx.get(dut.m_axis.tdata), ctx.get(dut.m_axis.tlast)))
            source.step(waiting=True, done=accepted)
            sink.step(waiting=valid, done=valid and sink.ready)
            await ctx.tick()
            if source.finished and sink.finished:
                break
        ctx.set(dut.s_axis.tvalid, 0)
        ctx.set(dut.m_axis.tready, 0)
        if weights:
            ctx.set(dut.s_axis_weights.tvalid, 0)
        return recording

    def offer_weights(self, ctx, weights, loaded: Pauses) -> None:
        """The weight stream's part of a cycle."""
        port, offered = self.dut.s_axis_weights, loaded.ready
        ctx.set(port.tvalid, int(offered))
        if offered:
            data, last, _ = weights[loaded.done]
            ctx.set(port.tdata, data)
            ctx.set(port.tlast, int(last))
        loaded.step(waiting=True, done=offered and bool(ctx.get(port.tready)))

    def words(self, images: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
        """(tdata, tkeep, tlast) of the images' stream words; an image is a list of values or of positions."""
        size, words = self.machine.input_bytes, []
        for image in images:
            positions = image if isinstance(image[0], list) else [image]
            parts = [row[start : start + size] for row in positions for start in range(0, len(row), size)]
            words += [
                (int.from_bytes(part, "little"), (1 << len(part)) - 1, int(index == len(parts) - 1))
                for index, part in enumerate(parts)
            ]
        return words

    def observe(self, ctx, cycle: int, recording: Recording) -> None:
        monitor = self.dut.monitor
        if mask := ctx.get(monitor.write_enable):
            data = ctx.get(monitor.write_data) & lanes_of(self.machine, mask)
            recording.writes.append((cycle, ctx.get(monitor.write_address), mask, data))


TURNS = 12
"""Cycles that a read waits at most: for the turn of its counter."""

HELD = 9 + TURNS + 1
"""Cycles that a write waits at most: for the checksum of the word before, and CHECKSUM for its turn."""


class Manager:
    """An AXI4-Lite manager on `bus`: one access at a time."""

    def __init__(self, bus) -> None:
        self.bus = bus

    async def write(self, ctx, address: int, data: int, *, strobe: int = 0xF, watch=lambda: None) -> int:
        """Write a register, calling `watch` in every cycle; returns the response."""
        bus = self.bus
        for signal, value in ((bus.awaddr, address), (bus.wdata, data), (bus.wstrb, strobe)):
            ctx.set(signal, int(value))
        for signal in (bus.awvalid, bus.wvalid, bus.bready):
            ctx.set(signal, 1)
        for _ in range(HELD):
            if ctx.get(bus.awready):
                break
            await ctx.tick()
            watch()
        assert ctx.get(bus.awready)
        assert ctx.get(bus.wready)
        await ctx.tick()
        watch()
        ctx.set(bus.awvalid, 0)
        ctx.set(bus.wvalid, 0)
        assert ctx.get(bus.bvalid)
        response = int(ctx.get(bus.bresp))
        await ctx.tick()
        watch()
        return response

    async def read(self, ctx, address: int) -> tuple[int, int]:
        """Read a register; returns response and data."""
        bus = self.bus
        ctx.set(bus.araddr, int(address))
        ctx.set(bus.arvalid, 1)
        ctx.set(bus.rready, 1)
        for _ in range(TURNS):
            if ctx.get(bus.arready):
                break
            await ctx.tick()
        assert ctx.get(bus.arready)
        await ctx.tick()
        ctx.set(bus.arvalid, 0)
        assert ctx.get(bus.rvalid)
        answer = int(ctx.get(bus.rresp)), int(ctx.get(bus.rdata))
        await ctx.tick()
        return answer

    async def value(self, ctx, register: Register) -> int:
        """A register's contents; it must exist."""
        response, data = await self.read(ctx, register)
        assert response == 0
        return data


def lanes_of(machine, mask: int) -> int:
    """Ones in the bits of the groups of lanes in `mask`."""
    width = machine.requantisers * machine.digit
    return sum(((1 << width) - 1) << g * width for g in range(machine.groups) if mask >> g & 1)


def expected(run) -> Recording:
    """What the simulator's run, with all its images recorded, says the accelerator does."""
    machine, writes = run.mapping.machine, run.writes
    masks = [sum(int(bit) << g for g, bit in enumerate(row)) for row in writes.mask]
    shifts = np.arange(machine.lanes) * machine.digit
    data = [
        sum(int(value) << int(shift) for value, shift in zip(row, shifts, strict=True)) for row in writes.data
    ]
    return Recording(
        list(zip(writes.cycle.tolist(), writes.address.tolist(), masks, data, strict=True)),
        list(
            zip(
                run.outputs.cycle.tolist(),
                run.outputs.data.tolist(),
                run.outputs.last.astype(int).tolist(),
                strict=True,
            )
        ),
    )
