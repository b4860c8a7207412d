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
    """bandwidth : MB/s of long bursts, bus width times transfers. latency : ns to a burst's first word, row included.

    word : bytes of the port's words.
    """

    name: str
    bandwidth: float
    latency: float
    word: int


EXTERNAL_MEMORIES: Mapping[str, ExternalMemory] = {
    memory.name: memory
    for memory in (
        ExternalMemory("arty-ddr3", 1_333.0, 60.0, 16),
        ExternalMemory("ulx3s-sdram", 266.0, 60.0, 2),
        ExternalMemory("icebreaker-flash", 25.0, 320.0, 1),
    )
}
"""From the data sheets of the boards' devices: 16 bits at 667 MT/s, 16 bits at 133 MHz, 4 bits at 50 MHz after a
command of 8 and an address of 24 bits. Their energy is the energy table's `dram`."""


def with_memory(machine: Machine, name: str) -> Machine:
    """The machine with a weight stream from a named memory, at the machine's own clock. Raises BcsimError.

    A word comes every ceil(bytes * clock / bandwidth) cycles, a tile's first one ceil(latency * clock) later.
    """
    if name not in EXTERNAL_MEMORIES:
        raise BcsimError(f"Unknown external memory {name!r}; known are {', '.join(EXTERNAL_MEMORIES)}")
    memory = EXTERNAL_MEMORIES[name]
    return replace(
        machine,
        weight_stream_bytes=memory.word,
        weight_stream_interval=max(1, ceil(memory.word * machine.clock_mhz / memory.bandwidth)),
        weight_stream_latency=ceil(memory.latency * machine.clock_mhz / 1000),
    )
