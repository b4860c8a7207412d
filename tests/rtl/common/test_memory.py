# amaranth: UnusedElaboratable=no
"""Memories: latencies, slices, groups, and who may write."""

import random

import pytest
from amaranth.sim import Simulator

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import address_bits
from bcsim.rtl.common import loaded_memory
from bcsim.rtl.common.loaded_memory import LoadedMemory, LoadedRegister, slices, with_parity
from bcsim.rtl.common.memory import ActivationMemory, WriteArbiter

MACHINE = Machine(lanes=6, pes=2, digit=4, requantisers=2, activation_words=10, input_bytes=2)


def simulate(dut, bench):
    sim = Simulator(dut)
    sim.add_clock(1e-6, if_exists=True)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize(("depth", "bits"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (1024, 10), (1025, 11)])
def test_every_memory_has_an_address(depth, bits):
    assert address_bits(depth) == bits


@pytest.mark.parametrize(("width", "count"), [(1, 1), (32, 1), (33, 2), (64, 2), (65, 3)])
def test_slices_cover_a_word(width, count):
    assert slices(width) == count


@pytest.mark.parametrize("width", [1, 12, 31, 32, 33, 64, 83])
@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("parity", [False, True])
def test_words_come_two_cycles_after_their_address_from_bitstream_and_bus(width, depth, parity):
    rng = random.Random(width)
    words = [rng.randrange(1 << width) for _ in range(depth)]
    dut = LoadedMemory(width=width, depth=depth, init=words, parity=parity)

    async def read_all(ctx):
        seen = []
        for cycle in range(depth + 2):
            ctx.set(dut.address, min(cycle, depth - 1))
            seen.append(ctx.get(dut.data))
            await ctx.tick()
            assert not parity or not ctx.get(dut.fault)
        return seen[2:]

    async def bench(ctx):
        assert await read_all(ctx) == words
        for at in range(depth):
            words[at] = rng.randrange(1 << width)
            for index in range(slices(width)):
                ctx.set(dut.load.slices, 1 << index)
                ctx.set(dut.load.address, at)
                ctx.set(dut.load.data, words[at] >> 32 * index & 0xFFFFFFFF)
                await ctx.tick()
        ctx.set(dut.load.slices, 0)
        assert await read_all(ctx) == words

    simulate(dut, bench)


@pytest.mark.parametrize("width", [7, 32, 40, 64])
def test_parity_tells_of_every_flipped_bit_that_is_read(width, monkeypatch):
    size = min(width, 32)
    unread = range(width - 32 * (slices(width) - 1), size)
    for bit in range((size + 1) * slices(width)):
        if bit // (size + 1) == slices(width) - 1 and bit % (size + 1) in unread:
            continue
        with monkeypatch.context() as patch:
            patch.setattr(
                loaded_memory, "with_parity", lambda word, width, bit=bit: with_parity(word, width) ^ 1 << bit
            )
            dut = LoadedMemory(
                width=width, depth=2, init=[0x5A5A_A5A5_1234_5678 & ((1 << width) - 1)], parity=True
            )

            async def bench(ctx, dut=dut):
                for enable in (0, 1):
                    ctx.set(dut.enable, enable)
                    await ctx.tick()
                    ctx.set(dut.enable, 0)
                    told = [(await ctx.tick().sample(dut.fault))[-1] for _ in range(5)]
                    assert told == ([0, 0, 1, 0, 0] if enable else [0] * 5)

            simulate(dut, bench)


def test_a_word_stays_while_reading_is_disabled():
    dut = LoadedMemory(width=8, depth=4, init=[1, 2, 3, 4])

    async def bench(ctx):
        ctx.set(dut.address, 2)
        await ctx.tick()
        ctx.set(dut.enable, 0)
        ctx.set(dut.address, 3)
        await ctx.tick().repeat(4)
        assert ctx.get(dut.data) == 3

    simulate(dut, bench)


def test_a_register_takes_its_slices():
    dut = LoadedRegister(width=40, init=0x12_3456_789A)

    async def bench(ctx):
        assert ctx.get(dut.data) == 0x12_3456_789A
        ctx.set(dut.load.slices, 0b10)
        ctx.set(dut.load.data, 0xAB)
        await ctx.tick()
        assert ctx.get(dut.data) == 0xAB_3456_789A

    simulate(dut, bench)


def test_groups_of_lanes_are_written_alone_and_seen_by_later_addresses():
    dut = ActivationMemory(MACHINE)

    async def bench(ctx):
        ctx.set(dut.read_enable, 1)
        ctx.set(dut.read_address, 9)
        ctx.set(dut.write_address, 9)
        ctx.set(dut.write_data, 0x654321)
        ctx.set(dut.write_enable, 0b111)
        await ctx.tick()
        ctx.set(dut.write_data, 0xFFFFFF)
        ctx.set(dut.write_enable, 0b010)
        await ctx.tick()
        ctx.set(dut.write_enable, 0)
        seen = []
        for _ in range(3):
            seen.append(ctx.get(dut.read_data))
            await ctx.tick()
        assert seen == [0, 0x654321, 0x65FF21]

    simulate(dut, bench)


def test_the_loader_waits_for_the_drain():
    dut = WriteArbiter(MACHINE)

    async def bench(ctx):
        for drain, loader in ((0, 0), (0, 7), (1, 0), (4, 7)):
            for port, enable in ((dut.drain, drain), (dut.loader, loader)):
                ctx.set(port.enable, enable)
            ctx.set(dut.drain.address, 3)
            ctx.set(dut.loader.address, 5)
            ctx.set(dut.drain.data, 0xD)
            ctx.set(dut.loader.data, 0x1)
            assert ctx.get(dut.loader_ready) == (drain == 0)
            assert ctx.get(dut.write_enable) == (drain or loader)
            assert ctx.get(dut.write_address) == (3 if drain else 5)
            assert ctx.get(dut.write_data) == (0xD if drain else 0x1)
            await ctx.delay(1e-6)

    simulate(dut, bench)


@pytest.mark.parametrize("block", [ActivationMemory, WriteArbiter])
def test_machines_are_checked(block):
    with pytest.raises(TypeError, match=r"^Machine must be a Machine, not 1$"):
        block(1)


@pytest.mark.parametrize(
    ("width", "depth", "error", "message"),
    [
        (0, 1, ValueError, "Width must be at least 1, not 0"),
        (1, 0, ValueError, "Depth must be at least 1, not 0"),
        (8.0, 1, TypeError, "Width must be an integer, not 8.0"),
        (1, True, TypeError, "Depth must be an integer, not True"),
    ],
)
def test_shapes_are_checked(width, depth, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        LoadedMemory(width=width, depth=depth)
