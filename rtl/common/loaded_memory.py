"""The program memories: words that the bitstream or the bus fills and the machine reads."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from bcsim.machine.widths import SLICE_BITS, address_bits
from bcsim.rtl.common.require import require_positive

__all__ = ["BLOCK", "SLICE_BITS", "LoadSignature", "LoadedMemory", "LoadedRegister", "slices", "with_parity"]


BLOCK = {"bcsim_block": 1}
"""An attribute of written memories that are block memories, shallow as they may be."""


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
    block : bool
        Whether it is a block memory, even if it is too shallow for synthesis to make it one.

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
        block: bool = False,
    ) -> None:
        require_positive("Width", width)
        require_positive("Depth", depth)
        self.width = width
        self.depth = depth
        self.words = tuple(init)
        self.unit = unit
        self.loads = loads
        self.parity = parity
        self.attributes = BLOCK if block else {}
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
        m.submodules.words = words = memory.Memory(
            shape=whole, depth=max(2, self.depth), init=self.words, attrs=self.attributes
        )
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
            shape=(size + 1) * parts, depth=max(2, self.depth), init=init, attrs=self.attributes
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
