"""Runs an Accelerator in Amaranth's simulator: streams in, streams out, writes seen, registers by bus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from amaranth.sim import Simulator

from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.register_map import Register


@dataclass
class Recording:
    """Writes as (cycle, address, mask, data of the written lanes) and output words as (cycle, data, last)."""

    writes: list[tuple[int, int, int, int]] = field(default_factory=list)
    outputs: list[tuple[int, int, int]] = field(default_factory=list)


class Bench:
    """An accelerator between a source, a sink and a bus manager.

    `play` streams images in and waits for their packets; cycle 0 is the acceptance of its first word. `write` and
    `read` access registers and return (response, data).
    """

    def __init__(self, dut: Accelerator) -> None:
        self.dut = dut
        self.machine = dut.machine

    def run(self, script) -> None:
        """Run the coroutine function `script`, which is given a simulation context."""
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(script)
        simulator.run()

    async def play(
        self, ctx, images: Sequence[Sequence[int]], packets: int, gaps=None, holds=None, limit: int = 20_000
    ) -> Recording:
        """Stream `images` in, until as many output words as `packets` have left."""
        words = self.words(images)
        gaps = [0] * len(words) if gaps is None else list(gaps)
        holds = [0] * packets if holds is None else list(holds)
        recording, zero = Recording(), None
        sent, gap, hold = 0, gaps[0], holds[0] if holds else 0
        dut = self.dut
        for now in range(limit):
            offered = sent < len(words) and gap == 0
            gap -= sent < len(words) and gap > 0
            ctx.set(dut.s_axis.tvalid, int(offered))
            if offered:
                data, keep, last = words[sent]
                ctx.set(dut.s_axis.tdata, data)
                ctx.set(dut.s_axis.tkeep, keep)
                ctx.set(dut.s_axis.tlast, last)
            ctx.set(dut.m_axis.tready, int(hold == 0))
            if offered and ctx.get(dut.s_axis.tready):
                zero = now if zero is None else zero
                sent += 1
                gap = gaps[sent] if sent < len(words) else 0
            cycle = now - (zero or 0)
            self.observe(ctx, cycle, recording)
            if ctx.get(dut.m_axis.tvalid):
                if hold:
                    hold -= 1
                else:
                    recording.outputs.append((cycle, ctx.get(dut.m_axis.tdata), ctx.get(dut.m_axis.tlast)))
                    hold = holds[len(recording.outputs)] if len(recording.outputs) < packets else 0
            await ctx.tick()
            if len(recording.outputs) == packets and sent == len(words):
                break
        else:
            raise AssertionError(f"only {len(recording.outputs)} of {packets} words after {limit} cycles")
        ctx.set(dut.s_axis.tvalid, 0)
        ctx.set(dut.m_axis.tready, 0)
        return recording

    def words(self, images: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
        """(tdata, tkeep, tlast) of the images' stream words."""
        size, words = self.machine.input_bytes, []
        for image in images:
            for start in range(0, len(image), size):
                part = [int(value) for value in image[start : start + size]]
                words.append(
                    (
                        int.from_bytes(part, "little"),
                        (1 << len(part)) - 1,
                        int(start + size >= len(image)),
                    )
                )
        return words

    def observe(self, ctx, cycle: int, recording: Recording) -> None:
        monitor = self.dut.monitor
        if mask := ctx.get(monitor.write_enable):
            data = ctx.get(monitor.write_data) & lanes_of(self.machine, mask)
            recording.writes.append((cycle, ctx.get(monitor.write_address), mask, data))

    async def write(self, ctx, address: int, data: int) -> int:
        """Write a register; returns the response."""
        bus = self.dut.s_axil
        for signal, value in ((bus.awaddr, address), (bus.wdata, data), (bus.wstrb, 0xF)):
            ctx.set(signal, value)
        for signal in (bus.awvalid, bus.wvalid, bus.bready):
            ctx.set(signal, 1)
        while not ctx.get(bus.awready):
            await ctx.tick()
        await ctx.tick()
        ctx.set(bus.awvalid, 0)
        ctx.set(bus.wvalid, 0)
        while not ctx.get(bus.bvalid):
            await ctx.tick()
        response = ctx.get(bus.bresp)
        await ctx.tick()
        return int(response)

    async def read(self, ctx, address: int) -> tuple[int, int]:
        """Read a register; returns response and data."""
        bus = self.dut.s_axil
        ctx.set(bus.araddr, address)
        ctx.set(bus.arvalid, 1)
        ctx.set(bus.rready, 1)
        while not ctx.get(bus.arready):
            await ctx.tick()
        await ctx.tick()
        ctx.set(bus.arvalid, 0)
        while not ctx.get(bus.rvalid):
            await ctx.tick()
        answer = int(ctx.get(bus.rresp)), int(ctx.get(bus.rdata))
        await ctx.tick()
        return answer

    async def value(self, ctx, register: Register) -> int:
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
