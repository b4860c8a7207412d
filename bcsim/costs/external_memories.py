"""Memories beside an FPGA from which weights stream: what they deliver, as the parameters of the weight stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

from bcsim.common.errors import BcsimError
from bcsim.machine.parameters import Machine

__all__ = ["EXTERNAL_MEMORIES", "ExternalMemory", "with_memory"]


@dataclass(frozen=True, slots=True)
class ExternalMemory:
    """bandwidth : MB/s of long bursts, bus width times transfers; 0 where `cycles` says it.

    latency : ns to a burst's first word, row included.
    word : bytes of the port's words.
    cycles : of the machine's clock for a byte, where this project's reader makes the memory's clock from it; a tile
        begins like any other word then.
    """

    name: str
    bandwidth: float
    latency: float
    word: int
    cycles: int = 0

    def interval(self, clock_mhz: float) -> int:
        """Cycles from a word to the next one at a machine's clock."""
        return self.word * self.cycles or max(1, ceil(self.word * clock_mhz / self.bandwidth))


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


def with_memory(machine: Machine, name: str) -> Machine:
    """The machine with a weight stream from a named memory, at the machine's own clock. Raises BcsimError.

    A word comes every ceil(bytes * clock / bandwidth) cycles, a tile's first one ceil(latency * clock) later; from the
    flash every 4 * bytes.
    """
    if name not in EXTERNAL_MEMORIES:
        raise BcsimError(f"Unknown external memory {name!r}; known are {', '.join(EXTERNAL_MEMORIES)}")
    memory = EXTERNAL_MEMORIES[name]
    return replace(
        machine,
        weight_stream_bytes=memory.word,
        weight_stream_interval=memory.interval(machine.clock_mhz),
        weight_stream_latency=ceil(memory.latency * machine.clock_mhz / 1000),
    )
