"""An accelerator behind two pins: what a board's top module instantiates."""

from __future__ import annotations

from amaranth.hdl import Module, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.bus.program_image import program_checksum
from bcsim.rtl.common.axi import StreamSignature
from bcsim.rtl.link.layouts import greeting
from bcsim.rtl.link.link import Link
from bcsim.rtl.link.serial_link import SerialLink

__all__ = ["LinkedAccelerator"]


class LinkedAccelerator(wiring.Component):
    """An accelerator and the serial link to its host, which can also start it anew.

    Parameters
    ----------
    accelerator : Accelerator
    divisor : int
        Cycles of a bit of the line, at least 4.
    registers : bool
        Whether the host reaches the registers; without it the bus is tied off and synthesis drops most of it.

    Members
    -------
    rx, tx : In(1), Out(1)
    running : Out(1)
        A host has spoken since the reset.
    error : Out(1)
        A frame was damaged since the last restart.
    done : Out(1)
        Changes with every image's class.
    weights : In(StreamSignature(machine.weight_stream_bytes))
        Only where weights can stream.
    restart : Out(1)
        Only there: the weights' source begins anew.
    """

    def __init__(self, accelerator: Accelerator, *, divisor: int, registers: bool = False) -> None:
        self.accelerator = accelerator
        machine, image = accelerator.machine, accelerator.image
        checksum = program_checksum(machine, image) if image else 0
        hello = greeting(machine.input_bytes, machine.fingerprint, checksum)
        link = Link(input_bytes=machine.input_bytes, greeting=hello, registers=registers)
        self._link, self.registers = SerialLink(link, divisor=divisor), registers
        streamed = machine.weight_stream_bytes
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "running": Out(1),
                "error": Out(1),
                "done": Out(1),
                **({"weights": In(StreamSignature(size=streamed)), "restart": Out(1)} if streamed else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.link = link = self._link
        accelerator = self.accelerator
        m.submodules.accelerator = ResetInserter(link.restart)(accelerator)
        connect(m, link.images, accelerator.s_axis)
        connect(m, link.results, accelerator.m_axis)
        if self.registers:
            connect(m, link.bus, accelerator.s_axil)
        if accelerator.machine.weight_stream_bytes:
            connect(m, flipped(self.weights), accelerator.s_axis_weights)
            m.d.comb += self.restart.eq(link.restart)
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            self.running.eq(link.running),
            self.error.eq(link.damaged),
        ]
        results = accelerator.m_axis
        with m.If(results.tvalid & results.tready & results.tlast):
            m.d.sync += self.done.eq(~self.done)
        return m
