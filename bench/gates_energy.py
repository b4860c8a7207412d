"""The energy of gates that changed so and so often, by the module of the source and what they do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from bench.gates_activity import Pin
from bench.gates_library import Cell, Library
from bench.gates_netlist import GateModule

__all__ = ["BlockEnergy", "clock_pj", "switching_energy"]


@dataclass(slots=True)
class BlockEnergy:
    """pJ of a block's gates; `registers` without their clock. flip_flops, area : of its cells."""

    logic: float = 0.0
    registers: float = 0.0
    flip_flops: int = 0
    area: float = 0.0


def clock_pj(flip_flop: Cell, library: Library) -> float:
    """pJ of both edges of the clock at one flip-flop."""
    pin = flip_flop.clock
    return 2 * (library.half_square * flip_flop.loads[pin] + flip_flop.internal[pin])


def switching_energy(
    module: GateModule, instance: str, changes: Mapping[Pin, int], library: Library, wire_pf: float
) -> Mapping[str, BlockEnergy]:
    """What a module's gates took in one instance of it, whose pins changed as often as `changes` says.

    A change charges each input on its net, and `wire_pf` of wire a load; that belongs to the input's cell, as what
    happens inside of a cell does. The clock is left out: how often it comes is a question of its gating.
    """
    blocks: defaultdict[str, BlockEnergy] = defaultdict(BlockEnergy)

    def add(cell_name: str, pj: float) -> None:
        cell = module.instances[cell_name]
        block = blocks[cell.block]
        if cell.cell.clock:
            block.registers += pj
        else:
            block.logic += pj

    for net in module.nets:
        count = changes.get((instance, *net.seen), 0)
        for name, pin in ((name, pin) for name, pin in net.loads if pin != module.instances[name].cell.clock):
            cell = module.instances[name].cell
            add(
                name,
                count * (library.half_square * (cell.loads[pin] + wire_pf) + cell.internal.get(pin, 0.0)),
            )
        if net.driver:
            name, pin = net.driver
            add(name, count * module.instances[name].cell.internal.get(pin, 0.0))
    for cell in module.instances.values():
        blocks[cell.block].flip_flops += bool(cell.cell.clock)
        blocks[cell.block].area += cell.cell.area
    return blocks
