"""The flash reader against a flash: its words, when they come, and what it does where the flash is another's."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import Simulator

from bcsim.rtl.link.flash_reader import (
    FIRST_WORD,
    NIBBLE,
    PAUSE,
    REPEAT,
    FlashReader,
    flash_contents,
    flash_mark,
    release_pause,
)
from tests.rtl.link.flash_model import FlashModel

BEGIN = 0x123400


def received(  # type: ignore[no-untyped-def]
    size: int, packet: bytes, contents: bytes, takes: list[int], cycles: int, pause: int = 0, wake: int = 100
):
    """Words as (cycle offered, cycle taken, value, last); takes : cycles that each word is left waiting."""
    words = len(packet) // size
    dut = FlashReader(size=size, words=words, begin=BEGIN, mark=flash_mark(packet, size), pause=pause)
    flash, found, foreign = FlashModel(contents, base=BEGIN, wake=wake), [], []

    async def bench(ctx):  # type: ignore[no-untyped-def]
        offered = None
        for cycle in range(cycles):
            valid = ctx.get(dut.stream.tvalid)
            if valid and offered is None:
                offered = cycle
            ready = bool(valid and cycle - offered >= takes[len(found) % len(takes)])
            ctx.set(dut.stream.tready, ready)
            if ready:
                found.append((offered, cycle, ctx.get(dut.stream.tdata), ctx.get(dut.stream.tlast)))
                offered = None
            line = ctx.get(dut.command) if ctx.get(dut.drives) else 1
            data = flash.step(ctx.get(dut.select), ctx.get(dut.clock), line)
            await ctx.tick()
            ctx.set(dut.data, data)
        foreign.append(ctx.get(dut.foreign))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found, flash, bool(foreign[0])


@pytest.mark.parametrize("size", [1, 2, 4, 8])
@pytest.mark.parametrize("takes", [[0], [0, 3, 0, 40, 1]])
def test_words_come_in_order_and_at_the_cycles_that_the_formulas_say(size: int, takes: list[int]) -> None:
    generator = random.Random(size)
    packet = generator.randbytes(6 * size)
    word = 2 * size * NIBBLE
    found, flash, foreign = received(size, packet, flash_contents(packet, size), takes, 1000 + 30 * word)
    expected = [packet[at : at + size] for at in range(0, len(packet), size)]
    assert len(found) > 13
    assert not foreign
    assert flash.reads >= 2
    before = FIRST_WORD + word
    for index, (offered, taken, value, last) in enumerate(found):
        assert value == int.from_bytes(expected[index % 6], "little")
        assert last == (index % 6 == 5)
        assert offered == before + word
        before = taken + (REPEAT + word if last else 0)


def test_another_flash_is_not_read() -> None:
    packet = bytes(range(24))
    found, _, foreign = received(4, packet, flash_contents(packet[::-1], 4), [0], 1500)
    assert foreign
    assert not found


@pytest.mark.parametrize("mhz", [12, 36, 37, 48, 80, 100])
def test_a_flash_has_its_time_to_wake_at_every_clock(mhz: int) -> None:
    packet, pause = bytes(range(4)), release_pause(mhz * 1e6)
    found, flash, foreign = received(
        1, packet, flash_contents(packet, 1), [0], 1600, pause=pause, wake=-(-3 * mhz // 1)
    )
    assert flash.reads
    assert not foreign
    assert found[0][0] == FIRST_WORD + pause * PAUSE + 2 * 2 * NIBBLE


def test_a_flash_that_is_spoken_to_too_early_is_seen() -> None:
    packet = bytes(range(4))
    with pytest.raises(AssertionError, match="a command while it wakes up"):
        received(1, packet, flash_contents(packet, 1), [0], 1600, pause=release_pause(80e6) - 1, wake=3 * 80)
