"""What the register sweep expects of a machine."""

from __future__ import annotations

from typing import Any

from bcsim.machine.parameters import Machine
from bcsim.rtl.bus.program_image import program_memories
from bcsim.rtl.common.loaded_memory import slices
from bcsim.rtl.common.register_map import PARAMETERS, Register, parameter_address

__all__ = ["sweep_plan"]

WRITABLE = ("CONTROL", "ERRORS", "INTERRUPT", "MEMORY", "ADDRESS", "DATA", "CHECKSUM", "WATCHDOG")


def sweep_plan(machine: Machine, seed: int = 1) -> dict[str, Any]:
    """sweep.json of sweep_bench.py, for a machine with all of its surroundings."""
    streams = bool(machine.weight_stream_bytes)
    unreadable = {"DATA"} if streams else {"DATA", "STALL_WEIGHTS"}
    registers = [register for register in Register if register.name not in unreadable]
    parameters = [parameter_address(i) for i in range(len(PARAMETERS) - (not streams))]
    return {
        "readable": [*map(int, registers), *parameters],
        "writable": [int(Register[name]) for name in WRITABLE],
        "memories": [[slices(memory.width), memory.depth] for memory in program_memories(machine)],
        "seed": seed,
    }
