"""The memories: one read port with an output register, one write port."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import SLICE_BITS
from bcsim.rtl.common.require import require_machine, require_positive

__all__ = [
    "SLICE_BITS",
    "ActivationMemory",
    "LoadSignature",
    "LoadedMemory",
    "LoadedRegister",
    "WriteArbiter",
    "WriteSignature",
    "address_bits",
    "slices",
    "with_parity",
]


def address_bits(depth: int) -> int:
    """Width of an address of `depth` words; at least 1, so that every memory has an address."""
    return max(1, int(ceil_log2(depth)))


def slices(width: int) -> int:
    """Bus words in a memory word of `width` bits."""
    return -(-width // SLICE_BITS)


def with_parity(word: int, width: int) -> int:
    """A word of `width` bits as a memory with parity stores it: behind each slice the bit that makes its ones even."""
    size, stored = min(width, SLICE_BITS), 0
    for index in range(slices(width)):
        part = word >> index * size & ((1 << size) - 1)
        stored |= (part | (part.bit_count() & 1) << size) << index * (size + 1)
    return stored


class LoadSignature(wiring.Signature):
    """Writes of a part of a word at a time.

    Parameters
    ----------
    width : int
        Bits of a word.
    depth : int
        Words.
    unit : int
        Bits that can be written at once: one slice, as by the bus, or several.

    Members
    -------
    slices : Out(slices(width))
        Write enables, all of one unit; bit k writes bits 32*k and up.
    address : Out(address_bits(depth))
    data : Out(unit)
    """

    def __init__(self, *, width: int, depth: int, unit: int = SLICE_BITS) -> None:
        super().__init__(
            {"slices": Out(slices(width)), "address": Out(address_bits(depth)), "data": Out(unit)}
        )


class LoadedMemory(wiring.Component):
    """A memory that the bitstream fills, and the bus where it can be loaded, and the machine reads.

    Latency: 2 cycles from `address` to `data`. The word stays while `enable` is low.

    Parameters
    ----------
    width : int
        Bits of a word.
    depth : int
        Words.
    init : iterable of int
        The first words; the others are 0.
    unit : int
        As in LoadSignature.
    loads : bool
        Whether it can be written.
    parity : bool
        Whether every slice has a bit that makes the number of ones even.

    Members
    -------
    address : In(address_bits(depth))
    enable : In(1)
    data : Out(width)
    load : In(LoadSignature(width, depth, unit))
        Only where it loads.
    fault : Out(1)
        Only with parity: a slice of the word that was `data` a cycle before, read with `enable`, has another parity.
    """

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        init: Iterable[int] = (),
        unit: int = SLICE_BITS,
        loads: bool = True,
        parity: bool = False,
    ) -> None:
        require_positive("Width", width)
        require_positive("Depth", depth)
        self.width = width
        self.depth = depth
        self.words = tuple(init)
        self.unit = unit
        self.loads = loads
        self.parity = parity
        load = {"load": In(LoadSignature(width=width, depth=depth, unit=unit))} if loads else {}
        super().__init__(
            {
                "address": In(address_bits(depth)),
                "enable": In(1, init=1),
                "data": Out(width),
                **load,
                **({"fault": Out(1)} if parity else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.parity:
            return self._with_parity(m)
        # Whole slices, so that each can have its write enable; synthesis drops the bits above `width`.
        partial = self.loads and self.width > SLICE_BITS
        whole = slices(self.width) * SLICE_BITS if partial else self.width
        m.submodules.words = words = memory.Memory(shape=whole, depth=max(2, self.depth), init=self.words)
        if self.loads:
            self._load(m, words, min(whole, SLICE_BITS))
        read = words.read_port()
        output = Signal(self.width, reset_less=True)
        m.d.comb += [
            read.en.eq(self.enable),
            read.addr.eq(self.address),
            self.data.eq(output),
        ]
        m.d.sync += output.eq(read.data)
        return m

    def _load(self, m: Module, words: memory.Memory, granularity: int) -> None:
        write = words.write_port(granularity=granularity)
        unpadded = self.load.data.replicate(-(-self.width // self.unit)) & ((1 << self.width) - 1)
        if self.parity:
            unpadded = Cat(Cat(part, part.xor()) for part in self._parts(unpadded, granularity - 1))
        m.d.comb += [
            write.en.eq(self.load.slices),
            write.addr.eq(self.load.address),
            write.data.eq(unpadded),
        ]

    def _with_parity(self, m: Module) -> Module:
        """The same, each slice with its parity above it."""
        size, parts = min(self.width, SLICE_BITS), slices(self.width)
        init = [with_parity(word, self.width) for word in self.words]
        m.submodules.words = words = memory.Memory(
            shape=(size + 1) * parts, depth=max(2, self.depth), init=init
        )
        if self.loads:
            self._load(m, words, size + 1)
        read = words.read_port()
        stored = [read.data[i * (size + 1) : (i + 1) * (size + 1)] for i in range(parts)]
        unpadded = self.width - size * (parts - 1)
        stored[-1] = Cat(stored[-1][:unpadded], stored[-1][size])
        output = Signal(self.width + parts, reset_less=True)
        lengths = [size + 1] * (parts - 1) + [unpadded + 1]
        checked = [output[sum(lengths[:i]) : sum(lengths[: i + 1])] for i in range(parts)]
        reading, fresh, fault = (Signal(name=name) for name in ("reading", "fresh", "found"))
        m.d.comb += [
            read.en.eq(self.enable),
            read.addr.eq(self.address),
            self.data.eq(Cat(part[:-1] for part in checked)),
            self.fault.eq(fault),
        ]
        m.d.sync += [
            output.eq(Cat(stored)),
            reading.eq(self.enable),
            fresh.eq(reading),
            fault.eq(fresh & Cat(part.xor() for part in checked).any()),
        ]
        return m

    def _parts(self, word: Value, size: int) -> list[Value]:
        return [word[i * size : (i + 1) * size] for i in range(slices(self.width))]


class LoadedRegister(wiring.Component):
    """A single word that the bitstream or the bus fills, always readable; like a memory, it survives a reset.

    One that does not load is a constant.

    Parameters
    ----------
    width : int
        Bits of the word.
    init : int
        The word.
    loads : bool
        Whether it can be written.

    Members
    -------
    data : Out(width)
    load : In(LoadSignature(width, 1))
        Only where it loads.
    """

    def __init__(self, *, width: int, init: int = 0, loads: bool = True) -> None:
        require_positive("Width", width)
        self.width = width
        self.init = init
        self.loads = loads
        load = {"load": In(LoadSignature(width=width, depth=1))} if loads else {}
        super().__init__({"data": Out(width), **load})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if not self.loads:
            m.d.comb += self.data.eq(self.init)
            return m
        word = Signal(self.width, init=self.init, reset_less=True)
        m.d.comb += self.data.eq(word)
        for index in range(slices(self.width)):
            part = word[index * SLICE_BITS : (index + 1) * SLICE_BITS]
            with m.If(self.load.slices[index]):
                m.d.sync += part.eq(self.load.data)
        return m


class WriteSignature(wiring.Signature):
    """A write into the activation memory.

    Members
    -------
    enable : Out(machine.groups)
        Bit g writes lanes g * R and up.
    address : Out(address_bits(machine.activation_words))
    data : Out(machine.lanes * machine.digit)
    """

    def __init__(self, machine: Machine) -> None:
        super().__init__(
            {
                "enable": Out(machine.groups),
                "address": Out(address_bits(machine.activation_words)),
                "data": Out(machine.lanes * machine.digit),
            }
        )


class WriteArbiter(wiring.Component):
    """The activation memory's one write port, shared: the drain writer goes first, the loader waits.

    Latency: 0. A write of the loader's happens in the cycles of `loader_ready`.

    Parameters
    ----------
    machine : Machine

    Members
    -------
    drain, loader : In(WriteSignature(machine))
    loader_ready : Out(1)
    write_enable, write_address, write_data : Out
        As in WriteSignature.
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        chosen = WriteSignature(machine)
        super().__init__(
            {
                "drain": In(chosen),
                "loader": In(chosen),
                "loader_ready": Out(1),
                **{f"write_{name}": member for name, member in chosen.members.items()},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        drain, loader = self.drain, self.loader
        busy = Signal()
        m.d.comb += [
            busy.eq(drain.enable.any()),
            self.loader_ready.eq(~busy),
            self.write_enable.eq(Mux(busy, drain.enable, loader.enable)),
            self.write_address.eq(Mux(busy, drain.address, loader.address)),
            self.write_data.eq(Mux(busy, drain.data, loader.data)),
        ]
        return m


class ActivationMemory(wiring.Component):
    """The memory of the images and of the values between layers, written in groups of lanes.

    Latency: 2 cycles from `read_address` to `read_data`; a write is seen by addresses of later cycles.

    Parameters
    ----------
    machine : Machine

    Members
    -------
    write_enable, write_address, write_data : In
        As in WriteSignature.
    read_enable : In(1)
    read_address : In(address_bits(machine.activation_words))
    read_data : Out(machine.lanes * machine.digit)
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        write = WriteSignature(machine).flip().members
        super().__init__(
            {
                **{f"write_{name}": member for name, member in write.items()},
                "read_enable": In(1),
                "read_address": In(address_bits(machine.activation_words)),
                "read_data": Out(machine.lanes * machine.digit),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        machine = self.machine
        m.submodules.words = words = memory.Memory(
            shape=machine.lanes * machine.digit, depth=machine.activation_words, init=[]
        )
        write = words.write_port(granularity=machine.requantisers * machine.digit)
        read = words.read_port()
        output = Signal(machine.lanes * machine.digit, reset_less=True)
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.en.eq(self.read_enable),
            read.addr.eq(self.read_address),
            self.read_data.eq(output),
        ]
        m.d.sync += output.eq(read.data)
        return m
