"""Small components with all that generated Verilog has to deal with, for tests of the tools."""

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out


class RunningSum(wiring.Component):
    """The sum of all inputs so far.

    Members
    -------
    value : In(8)
    total : Out(8)
    """

    def __init__(self, *, init: int = 0) -> None:
        self.init = init
        super().__init__({"value": In(8), "total": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        accumulated = Signal(8, init=self.init)
        with m.If(self.value != 0):
            m.d.sync += accumulated.eq(accumulated + self.value)
        m.d.comb += self.total.eq(accumulated)
        return m


class Chain(wiring.Component):
    """Three running sums of a table's words, the last of which starts at 5."""

    def __init__(self) -> None:
        super().__init__({"address": In(2), "total": Out(8), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.table = table = memory.Memory(shape=8, depth=4, init=[1, 2, 3, 250])
        m.submodules.scratch = scratch = memory.Memory(shape=8, depth=4, init=[])
        read, copy = table.read_port(), scratch.write_port()
        back = scratch.read_port()
        m.submodules.sum_0 = first = RunningSum()
        m.submodules.sum_1 = second = RunningSum()
        m.submodules.sum_2 = third = RunningSum(init=5)
        m.d.comb += [
            read.addr.eq(self.address),
            copy.addr.eq(self.address),
            copy.data.eq(read.data),
            copy.en.eq(1),
            back.addr.eq(self.address),
            first.value.eq(read.data),
            second.value.eq(first.total),
            third.value.eq(second.total),
            self.total.eq(third.total ^ back.data),
        ]
        with m.FSM():
            with m.State("Wait"), m.If(self.address == 3):
                m.next = "Work"
            with m.State("Work"):
                m.d.comb += self.busy.eq(1)
        return m


class Product(wiring.Component):
    """What no accelerator of ours contains."""

    def __init__(self) -> None:
        super().__init__({"a": In(16), "b": In(16), "product": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.product.eq(self.a * self.b)
        return m
