"""Memories beside an FPGA from which weights stream: what they deliver, as the parameters of the weight stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

from bcsim.common.errors import BcsimError
from bcsim.machine.parameters import Machine

__all__ = ["EXTERNAL_MEMORIES", "ExternalMemory", "find_memory", "with_memory"]


@dataclass(frozen=True, slots=True)
class ExternalMemory:
    """bandwidth : MB/s of long bursts, bus width times transfers; 0 where `cycles` says it.

    latency : ns to a burst's first word, row included.
    word : bytes of the device's words, of which a word of the port is made of one or more.
    cycles : of the machine's clock for a byte, where this project's reader makes the memory's clock from it; a tile
        begins like any other word then.
    """

    name: str
    bandwidth: float
    latency: float
    word: int
    cycles: int = 0

    def interval(self, size: int, clock_mhz: float) -> int:
        """Cycles from a word of `size` bytes at the port to the next one, at a machine's clock."""
        return size * self.cycles or max(1, ceil(size * clock_mhz / self.bandwidth))

    def rate(self, clock_mhz: float) -> float:
        """Bytes a cycle, at most."""
        return 1 / self.cycles if self.cycles else self.bandwidth / clock_mhz

    def port(self, slots: int, clock_mhz: float) -> int:
        """Bytes of a port's word with which the memory fills a weight word of `slots` bits soonest, or nearly so.

        A cycle has no parts: where a word of the device comes every 1.5 cycles, two of them come every 3. A narrower
        port is the smaller one.
        """
        whole = ceil(slots / 8)
        sizes = [size for size in PORTS if size == self.word or self.word < size <= whole]
        cycles = {size: ceil(whole / size) * self.interval(size, clock_mhz) for size in sizes}
        return next(size for size in sizes if cycles[size] <= NEARLY * min(cycles.values()))


PORTS = (1, 2, 4, 8, 16, 32, 64)
"""Bytes that a machine's `weight_stream_bytes` can be."""
NEARLY = 1.05


EXTERNAL_MEMORIES: Mapping[str, ExternalMemory] = {
    memory.name: memory
    for memory in (
        ExternalMemory("arty-ddr3", 1_333.0, 60.0, 16),
        ExternalMemory("ulx3s-sdram", 266.0, 60.0, 2),
        ExternalMemory("icebreaker-flash", 0.0, 0.0, 1, cycles=4),
    )
}
"""From the data sheets of the boards' devices: 16 bits at 667 MT/s, 16 bits at 133 MHz. The flash is as
bcsim.rtl.link.flash_reader reads it: a clock of two cycles brings four bits. Their energy is the table's `dram`."""


def find_memory(name: str) -> ExternalMemory:
    """The memory of a name. Raises BcsimError."""
    if name not in EXTERNAL_MEMORIES:
        raise BcsimError(f"Unknown external memory {name!r}; known are {', '.join(EXTERNAL_MEMORIES)}")
    return EXTERNAL_MEMORIES[name]


def with_memory(machine: Machine, name: str) -> Machine:
    """The machine with a weight stream from a named memory, at the machine's own clock. Raises BcsimError.

    The port is as wide as the memory needs to be used whole. A word of it comes every ceil(bytes * clock / bandwidth)
    cycles, a tile's first one ceil(latency * clock) later; from the flash every 4 * bytes.
    """
    memory = find_memory(name)
    size = memory.port(machine.slots, machine.clock_mhz)
    return replace(
        machine,
        weight_stream_bytes=size,
        weight_stream_interval=memory.interval(size, machine.clock_mhz),
        weight_stream_latency=ceil(memory.latency * machine.clock_mhz / 1000),
    )
