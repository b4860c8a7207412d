"""The performance counters against plain counting."""

import random

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator

from bcsim.rtl.bus.counters import NOW, PLACES, Counters
from bcsim.rtl.common.register_map import Register

CAUSES = ("input", "output", "drain", "weights")
STALLS = {f"waits_{cause}": Register[f"STALL_{cause.upper()}"] for cause in CAUSES}
EVENTS = {"sent": Register.IMAGES, "step": Register.STEPS, **STALLS}


def expected(events):
    """Every counter of these cycles, from the first accepted word on."""
    first = next((cycle for cycle, event in enumerate(events) if event["accepted"]), len(events))
    counted = events[first:]
    cycles = max((cycle + 1 for cycle, event in enumerate(counted) if event["sent"]), default=0)
    values = {register: sum(event.get(name, 0) for event in counted) for name, register in EVENTS.items()}
    return values | {Register.CYCLES: cycles, Register.CYCLES_HIGH: 0}


def drawn(rng, names, length, odds):
    return [{name: int(rng.random() < odds) for name in names} for _ in range(length)]


async def read(ctx, dut, register):
    """As the bus does; takes no longer than all words' turns."""
    ctx.set(dut.wanted, register >> 2)
    ctx.set(dut.counter, Register.IMAGES <= register <= Register.STALL_WEIGHTS)
    ctx.set(dut.asked, 1)
    for _ in range(len(dut.names) + 2):
        if ctx.get(dut.ready):
            break
        await ctx.tick()
    assert ctx.get(dut.ready)
    value = ctx.get(dut.value)
    await ctx.tick()
    ctx.set(dut.asked, 0)
    return value


def simulate(dut, script):
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(script)
    sim.run()


@pytest.mark.parametrize("streams", [False, True])
def test_events_are_counted_from_the_first_accepted_word(streams):
    """In every alignment of runs and results to the words' turns, and right behind a start over."""
    rng = random.Random(1)
    dut = Counters(streams=streams)
    names = ("accepted", "sent", "step", *(name for name in STALLS if streams or name != "waits_weights"))
    quiet = dict.fromkeys(names, 0)

    async def script(ctx):
        for length in range(1, 90):
            events = drawn(rng, names, length, rng.choice((0.05, 0.3, 0.9, 1)))
            for event in events:
                ctx.set(dut.events, event)
                await ctx.tick()
            ctx.set(dut.events, quiet)
            values = expected(events)
            for register in rng.sample(sorted(values), len(values)):
                if streams or register != Register.STALL_WEIGHTS:
                    assert await read(ctx, dut, register) == values[register], (length, register)
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)

    simulate(dut, script)


def test_a_cleared_counter_reads_nothing():
    dut = Counters()

    async def script(ctx):
        ctx.set(dut.events, dict.fromkeys(("accepted", "sent", "step"), 1))
        await ctx.tick().repeat(40)
        ctx.set(dut.events, {"accepted": 0, "sent": 0, "step": 0})
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        for register in (Register.CYCLES, Register.IMAGES, Register.STEPS, Register.STALL_INPUT):
            assert await read(ctx, dut, register) == 0

    simulate(dut, script)


@pytest.mark.parametrize("missing", [40, 73, 77, 78])
def test_cycles_carry_into_their_high_half(missing):
    """Of 77 cycles, where the low half began `missing` before its end."""
    dut = Counters()

    async def script(ctx):
        ctx.set(dut.events, {"accepted": 1})
        await ctx.tick().repeat(16)
        # No word of NOW is on its way: its turns are in cycles 1 and 11.
        now = dut.words.data[PLACES[NOW]]
        ctx.set(now, ctx.get(now) + (1 << 32) - missing)
        ctx.set(dut.events, {"accepted": 0})
        await ctx.tick().repeat(60)
        ctx.set(dut.events, {"sent": 1})
        await ctx.tick()
        ctx.set(dut.events, {"sent": 0})
        halves = [await read(ctx, dut, register) for register in (Register.CYCLES, Register.CYCLES_HIGH)]
        assert halves[0] | halves[1] << 32 == (1 << 32) - missing + 77

    simulate(dut, script)


async def save(ctx, dut, data):
    """As the bus does; takes no longer than all words' turns."""
    ctx.set(dut.save, 1)
    ctx.set(dut.data, data)
    for _ in range(len(dut.names) + 1):
        if ctx.get(dut.saved):
            break
        await ctx.tick()
    assert ctx.get(dut.saved)
    await ctx.tick()
    ctx.set(dut.save, 0)
    ctx.set(dut.data, 0)


@pytest.mark.parametrize("streams", [False, True])
def test_other_words_of_the_memory_are_read_and_the_checksum_is_replaced(streams):
    """Beside counting, in every alignment to the turns."""
    rng = random.Random(1)
    held = {0: 0x4243534D, 1: 2, Register.CHECKSUM >> 2: 0xFFFFFFFF, 63: 0x89ABCDEF}
    dut = Counters(streams=streams, others=held)

    async def script(ctx):
        ctx.set(dut.events, {"accepted": 1, "step": 1})
        for pause in range(40):
            place = rng.choice(list(held))
            assert await read(ctx, dut, place << 2) == held[place], place
            await ctx.tick().repeat(1 + pause % 12)
            held[Register.CHECKSUM >> 2] = data = rng.getrandbits(32)
            await save(ctx, dut, data)
        ctx.set(dut.events, {})
        elapsed = await read(ctx, dut, Register.STEPS)
        await ctx.tick().repeat(40)
        assert await read(ctx, dut, Register.STEPS) == elapsed > 40
        for place, value in held.items():
            assert await read(ctx, dut, place << 2) == value

    simulate(dut, script)


def test_a_reset_at_any_time_changes_no_word_but_the_counters():
    held = {0: 0x4243534D, 1: 2, Register.CHECKSUM >> 2: 0xFFFFFFFF, 63: 0x89ABCDEF}
    dut, reset = Counters(others=held), Signal()

    async def script(ctx):
        ctx.set(dut.events, {"accepted": 1, "step": 1})
        for pause in range(1, 25):
            await ctx.tick().repeat(pause)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            for place, value in held.items():
                assert await read(ctx, dut, place << 2) == value

    simulate(ResetInserter(reset)(dut), script)
