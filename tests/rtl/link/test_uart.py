# amaranth: UnusedElaboratable=no
"""Bytes survive the line, at every divisor and with clocks that are not the same."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.common.errors import BcsimError
from bcsim.rtl.link.divisor import baud_divisor
from bcsim.rtl.link.uart import Receiver, Transmitter
from tests.rtl.link.line import Line
from tests.rtl.simulation import simulate


class Both(wiring.Component):
    """A receiver and a transmitter beside each other."""

    def __init__(self, divisor):
        self.receiver, self.transmitter = Receiver(divisor=divisor), Transmitter(divisor=divisor)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules += [self.receiver, self.transmitter]
        m.d.comb += [self.receiver.rx.eq(self.rx), self.tx.eq(self.transmitter.tx)]
        return m


@pytest.mark.parametrize(("divisor", "line"), [(4, 4), (5, 5), (16, 16), (104, 104), (30, 29), (30, 31)])
def test_bytes_pass_in_both_directions_at_any_divisor(divisor, line):
    dut, data = Both(divisor), bytes(random.Random(divisor).randbytes(12 if divisor < 100 else 3))

    async def script(ctx):
        wire, sent, got = Line(dut.rx, dut.tx, line), list(data), bytearray()
        wire.send(data)
        for _ in range((len(data) + 2) * 10 * max(divisor, line) + 20):
            wire.cycle(ctx)
            ctx.set(dut.transmitter.valid, bool(sent))
            ctx.set(dut.transmitter.data, sent[0] if sent else 0)
            if sent and ctx.get(dut.transmitter.ready):
                sent.pop(0)
            if ctx.get(dut.receiver.valid):
                got.append(ctx.get(dut.receiver.data))
            await ctx.tick()
        assert bytes(got) == data
        assert bytes(wire.received) == data

    simulate(dut, script)


def test_a_byte_without_its_stop_bit_and_a_spike_are_dropped():
    dut = Both(8)

    async def script(ctx):
        got = []

        async def drive(levels):
            for level in levels:
                ctx.set(dut.rx, level)
                if ctx.get(dut.receiver.valid):
                    got.append(ctx.get(dut.receiver.data))
                await ctx.tick()

        await drive([1] * 20 + [0] * 80 + [1] * 100)  # a break
        await drive([0] * 2 + [1] * 100)  # a spike
        assert got == []
        await drive([0] * 8 + [1, 0] * 4 * 8 + [1] * 100)
        assert len(got) == 1, "a byte behind them is heard"

    simulate(dut, script)


@pytest.mark.parametrize(
    ("clock", "baud", "divisor"), [(12e6, 115200, 104), (48e6, 3_000_000, 16), (25e6, 1_000_000, 25)]
)
def test_a_clocks_divisor_is_the_nearest(clock, baud, divisor):
    assert baud_divisor(clock, baud) == divisor


def test_a_speed_that_the_clock_does_not_give_is_refused():
    with pytest.raises(BcsimError, match=r"^A clock of 12 MHz gives no line of 5000000 baud"):
        baud_divisor(12e6, 5_000_000)


@pytest.mark.parametrize("block", [Receiver, Transmitter])
def test_a_divisor_below_four_is_refused(block):
    with pytest.raises(ValueError, match=r"^Divisor must be at least 4, not 3$"):
        block(divisor=3)
