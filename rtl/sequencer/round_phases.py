"""The phases of a round of requantisation: what the requantisers do in each of its cycles."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import QUOTIENT_BITS, address_bits
from bcsim.rtl.common.layouts import PoolLayout
from bcsim.rtl.common.records import drain_layout
from bcsim.rtl.common.require import require_machine

__all__ = ["PlaceLayout", "RoundLayout", "RoundPhases", "RoundSignature"]


class PlaceLayout(StructLayout):
    """Where the values of a round go.

    Members
    -------
    digits : unsigned(3)
        Digits of a value, minus one.
    scores : unsigned(1)
        To the output buffer; the other fields but `last` then mean nothing.
    last : unsigned(1)
        The layer's last round.
    group : unsigned
        Of R lanes in the word.
    address : unsigned
        The word of the most significant digit.
    pair : unsigned(1)
        Where two positions drain at once: there is a second one,
    stride : unsigned
        whose words are so many behind.
    turn : unsigned(1)
        The position's last round of the tile; only where a machine can take several images at once.
    """

    def __init__(self, machine: Machine) -> None:
        address = address_bits(machine.activation_words)
        super().__init__(
            {
                "digits": drain_layout(machine)["digits"].shape,
                "scores": 1,
                "last": 1,
                "group": address_bits(machine.groups),
                "address": address,
                **({"pair": 1, "stride": address} if machine.drains > 1 else {}),
                **({"turn": 1} if machine.batch > 1 else {}),
            }
        )


class RoundLayout(StructLayout):
    """A round as the requantisers and the writer know it.

    Members
    -------
    bits : unsigned(4)
        Of a value, minus one.
    search : unsigned(1)
    place : PlaceLayout(machine)
    pool : PoolLayout(machine)
        On a spatial machine, as is `silent`.
    silent : unsigned(1)
        Passes of the window are yet to come: nothing is written.
    """

    def __init__(self, machine: Machine) -> None:
        pooling = {"pool": PoolLayout(machine), "silent": 1} if machine.spatial else {}
        super().__init__(
            {
                "bits": drain_layout(machine)["bits"].shape,
                "search": 1,
                "place": PlaceLayout(machine),
                **pooling,
            }
        )


class RoundSignature(wiring.Signature):
    """A round to begin, and what requantisers and writer do in it.

    Members
    -------
    begin : In(1)
        The parameter memories' address is the round's.
    round : In(RoundLayout(machine))
        Read in the cycle of `begin`.
    load, step, done, search, probe : Out
        As in Requantiser.
    fetch : Out(1)
        The parameter memories read: the round's first word a cycle after `begin`, then the divisor where it has more
        than one bit, or the candidates of a search.
    odd : Out(1)
        With `fetch`: they read the divisor.
    select : Out(1)
        With `fetch`: they read a search's next threshold, counted from the round's first word.
    place : Out(PlaceLayout(machine))
        In the cycle of `write`.
    write : Out(1)
        As `done`, of the rounds whose values are written.
    pool : Out(PoolLayout(machine))
        On a spatial machine, as in Requantiser.
    """

    def __init__(self, machine: Machine) -> None:
        members = {
            "begin": In(1),
            "round": In(RoundLayout(machine)),
            "load": Out(1),
            "step": Out(1),
            "done": Out(1),
            "search": Out(1),
            "probe": Out(QUOTIENT_BITS),
            "fetch": Out(1),
            "odd": Out(1),
            "select": Out(1),
            "place": Out(PlaceLayout(machine)),
            "write": Out(1),
        }
        if machine.spatial:
            members["pool"] = Out(PoolLayout(machine))
        super().__init__(members)


class RoundPhases(wiring.Component):
    """Steps the requantisers through a round while the next ones are on their way from the parameter memories.

    Latency: 2 cycles from `begin` to `load`; `write_cycles(bits, search, divide) - 2` from there to `done`.
    Throughput: a round in `round_cycles(bits, search, divide)` cycles; divide is the machine's `divide_cycles`.

    Parameters
    ----------
    machine : Machine
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        super().__init__(RoundSignature(machine))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fetched, next_, current = (
            Signal(RoundLayout(self.machine), name=name, reset_less=True)
            for name in ("fetched", "next", "current")
        )
        begun, probing, more = Signal(), Signal(), Signal()
        phase, second = Signal(3), Signal()
        divides = second if self.machine.divide_cycles == 2 else Const(1)
        # The word of the first bit must stay for its subtraction.
        if self.machine.divide_cycles == 2:
            m.d.sync += self.odd.eq(more)
        else:
            m.d.comb += self.odd.eq(more)
        m.d.sync += [begun.eq(self.begin), self.load.eq(begun), fetched.eq(self.round), next_.eq(fetched)]
        m.d.comb += [
            self.step.eq(probing & Mux(current.search, phase[2], divides)),
            self.select.eq(probing & phase[0] & current.search),
            more.eq(self.load & (next_.bits != 0) & ~next_.search),
            self.fetch.eq(begun | self.odd | self.select),
            self.done.eq(self.step & self.probe[0]),
            self.search.eq(probing & current.search),
            self.place.eq(current.place),
            self.write.eq(self.done & ~current.silent if self.machine.spatial else self.done),
        ]
        if self.machine.spatial:
            m.d.comb += self.pool.eq(current.pool)
        with m.If(self.load):
            m.d.sync += [current.eq(next_), self.probe.eq(1 << next_.bits), probing.eq(1)]
            m.d.sync += [phase.eq(0b001), second.eq(0)]
        with m.Else():
            m.d.sync += [phase.eq(phase.rotate_left(1)), second.eq(~second)]
            with m.If(self.step):
                m.d.sync += [self.probe.eq(self.probe >> 1), probing.eq(~self.done)]
        return m
