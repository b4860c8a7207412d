"""Speaks to a board's design through its two pins, as a host would, and notes what comes back and when.

Reads proof.npz from the working folder and leaves proof.json there: `words`, the results as 16-bit words, and
`edges`, the cycles in which the design changed its line. Arrays of proof.npz:

    images    uint8 (n, bytes)   what the host sends for each image
    words     int64 ()           how many words should come back
    divisor   int64 ()           cycles of a bit
    identity  int64 (2,)         the fingerprint and checksum that the link's greeting must have
"""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer, ValueChange
from cocotb.utils import get_sim_time

from bcsim.host.session import Session
from bcsim.rtl.link.layouts import Request

PERIOD = 10  # ns; one cycle, whatever the board's clock
WAKE = 100  # cycles until PLL and reset are surely done
BITS = 10  # of a byte on the line
PATIENCE = 2000  # bits without an answer, after which a frame is sent again


class Line:
    """The two pins as bytes."""

    def __init__(self, dut: Any, divisor: int) -> None:
        self.dut, self.bit = dut, divisor * PERIOD
        self.outgoing: deque[int] = deque()
        self.received = bytearray()
        self.edges: list[int] = []

    async def send(self) -> None:
        while True:
            if not self.outgoing:
                await Timer(self.bit, "ns")
                continue
            byte = self.outgoing.popleft()
            for level in (0, *(byte >> bit & 1 for bit in range(8)), 1):
                self.dut.rx.value = level
                await Timer(self.bit, "ns")

    async def receive(self) -> None:
        while True:
            await FallingEdge(self.dut.tx)
            await Timer(self.bit * 3 // 2, "ns")
            byte = 0
            for bit in range(8):
                byte |= int(self.dut.tx.value) << bit
                await Timer(self.bit, "ns")
            self.received.append(byte)

    async def watch(self) -> None:
        while True:
            await ValueChange(self.dut.tx)
            self.edges.append(round(get_sim_time("ns") / PERIOD))


@cocotb.test()
async def answers(dut: Any) -> None:
    """Every image sent, every word received."""
    with np.load("proof.npz") as file:
        images, wanted, divisor = file["images"], int(file["words"]), int(file["divisor"])
        identity = file["identity"].tolist()
    dut.rx.value = 1
    Clock(dut.clk, PERIOD, "ns").start(start_high=False)
    await Timer(WAKE * PERIOD + 1, "ns")
    line, session = Line(dut, divisor), Session(PATIENCE * divisor * PERIOD * 1e-9)
    for task in (line.send(), line.receive(), line.watch()):
        cocotb.start_soon(task)
    for image in images:
        session.send(image.tobytes(), Request.LAST)
    patience = 4 * BITS * line.bit * (images.size + 2 * wanted + 100)
    while len(session.words) < wanted and get_sim_time("ns") < patience:
        session.receive(bytes(line.received))
        line.received.clear()
        if not line.outgoing:
            line.outgoing.extend(session.transmit(get_sim_time("sec"), poll=True))
        await Timer(BITS * line.bit, "ns")
    words = list(session.words)
    Path("proof.json").write_text(json.dumps({"words": words, "edges": line.edges, "resent": session.resent}))
    assert len(words) == wanted, f"{len(words)} words of {wanted} came"
    greeting = session.greeting
    assert greeting is not None
    assert [greeting.fingerprint, greeting.checksum] == identity, "the bitstream is of another program"
