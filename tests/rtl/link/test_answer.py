# amaranth: UnusedElaboratable=no
"""What an answer says while what it tells of goes on."""

import random

from bcsim.host.frames import Deframer
from bcsim.rtl.link.answer import Answer
from bcsim.rtl.link.layouts import GREETING_BYTES, Status
from tests.rtl.simulation import simulate


def test_every_answer_is_right_while_counts_pass_the_bytes_that_need_an_escape():
    dut, choose = Answer(greeting=bytes(GREETING_BYTES)), random.Random(7)
    heard, answers = bytearray(), 60

    async def script(ctx):
        for now in range(answers * 60):
            ctx.set(dut.request, now % 60 == 0)
            ctx.set(dut.accepted, choose.choice([0x7C, 0x7D, 0x7E, 0x7F]))
            ctx.set(dut.taken, 0x7B + now % 5)
            ready = choose.random() < 0.5
            ctx.set(dut.ready, ready)
            if ready and ctx.get(dut.valid):
                heard.append(ctx.get(dut.data))
            await ctx.tick()

    simulate(dut, script)
    frames = list(Deframer().feed(bytes(heard)))
    assert len(frames) == answers


def test_an_access_is_answered_with_what_was_read_and_a_restart_with_the_greeting():
    greeting = bytes(range(0x70, 0x70 + GREETING_BYTES))
    dut, heard = Answer(greeting=greeting, registers=True), bytearray()

    async def script(ctx):
        ctx.set(dut.freed, 9)
        ctx.set(dut.bus, 1)
        ctx.set(dut.read_data, 0x7E7D1234)
        ctx.set(dut.ready, 1)
        for restart in (0, 1):
            ctx.set(dut.restart, restart)
            ctx.set(dut.freed, 0 if restart else 9)
            for now in range(100):
                ctx.set(dut.request, now == 0)
                if ctx.get(dut.valid):
                    heard.append(ctx.get(dut.data))
                await ctx.tick()

    simulate(dut, script)
    read, greeted = Deframer().feed(bytes(heard))
    assert read == bytes([0, 0, Status.BUS | Status.REGISTERS, 0, 0x34, 0x12, 0x7D, 0x7E])
    assert greeted == bytes([0, 0, Status.RESTARTED | Status.REGISTERS, 0]) + greeting
