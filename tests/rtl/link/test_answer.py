# amaranth: UnusedElaboratable=no
"""What an answer says while what it tells of goes on."""

import random

from bcsim.host.frames import Deframer
from bcsim.rtl.link.answer import Answer
from bcsim.rtl.link.layouts import GREETING_BYTES
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
