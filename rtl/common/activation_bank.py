"""A memory of one port, of which the activation memory has two where a part's large memories are such."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import address_bits
from bcsim.rtl.common.require import require_machine

__all__ = ["ActivationBank"]

BLANK = {"bcsim_blank": 1}
"""An attribute that keeps contents at power-up out of the Verilog: iCE40's single-port memories can have none."""


class ActivationBank(wiring.Component):
    """Words that are read or, in another cycle, written in groups of lanes.

    Latency: 1 cycle from `address` to `read_data`, which stays while `read_enable` is low.

    Parameters
    ----------
    machine : Machine

    Members
    -------
    address : In(address_bits(machine.bank_words))
    write_enable : In(machine.groups)
        Bit g writes lanes g * R and up.
    write_data : In(machine.lanes * machine.digit)
    read_enable : In(1)
        Never with a bit of write_enable.
    read_data : Out(machine.lanes * machine.digit)
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        super().__init__(
            {
                "address": In(address_bits(machine.bank_words)),
                "write_enable": In(machine.groups),
                "write_data": In(machine.lanes * machine.digit),
                "read_enable": In(1),
                "read_data": Out(machine.lanes * machine.digit),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        machine = self.machine
        m.submodules.words = words = memory.Memory(
            shape=machine.lanes * machine.digit, depth=machine.bank_words, init=[], attrs=BLANK
        )
        write = words.write_port(granularity=machine.requantisers * machine.digit)
        read = words.read_port()
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.address),
            write.data.eq(self.write_data),
            read.en.eq(self.read_enable),
            read.addr.eq(self.address),
            self.read_data.eq(read.data),
        ]
        return m
