"""The counted structure against the elaborated design: every block's adders, gates, registers and memories."""

import pytest

from bcsim.costs.structure import CONTROL, by_block, machine_memories, machine_units
from bcsim.machine.parameters import Machine, parse_machine
from tests.rtl.netlist import elaborated

BASE = "tiny,lanes=4,pes=4,requantisers=2,activation_words=16,weight_words=32,parameter_words=16,layers=2"
CHANGES = {
    "p4": "lanes=8,pes=8",
    "p8": "digit=8,requantisers=4",
    "p2": "lanes=12,pes=6,digit=2,activation_bits=7,requantisers=2,accumulator_bits=15,fraction_bits=9",
    "p4 without Horner": "lanes=10,pes=4,activation_bits=4,requantisers=2,input_bytes=2,outputs=5",
    "p1, one pair": "lanes=2,pes=3,digit=1,activation_bits=1,requantisers=1,accumulator_bits=4,fraction_bits=0",
    "p1, odd tree, doubling": "lanes=14,pes=2,digit=1,requantisers=2,shift_planes=true",
    "spatial p8": "lanes=6,pes=9,digit=8,requantisers=3,input_bytes=2,spatial=true,shift_planes=true",
    "spatial p2": "pes=8,digit=2,activation_bits=2,requantisers=1,spatial=true,"
    "parameter_words=2,weight_words=1,outputs=1",
    "p4 of six-input LUTs": "lanes=8,pes=8,six_input_luts=true",
    "two cycles a bit": "divide_cycles=2,accumulator_bits=9,fraction_bits=4",
    "streamed p1": "digit=1,activation_bits=1,weight_stream_bytes=2",
    "parity, spatial, streamed": "parity=true,lanes=6,pes=12,spatial=true,weight_stream_bytes=4",
    "reuse 4, p4": "spatial=true,reuse=4,shift_planes=true",
    "reuse 2 without Horner, streamed": "spatial=true,reuse=2,activation_bits=4,pes=8,weight_stream_bytes=2",
    "batch 4, 7 scores": "spatial=true,reuse=4,batch=4,outputs=7",
    "reuse 4, two drains": "pes=8,spatial=true,reuse=4,drains=2",
    "two pipeline registers": "lanes=8,pes=8,pipeline_registers=2",
    "four, streamed p1": "digit=1,activation_bits=1,pipeline_registers=4,weight_stream_bytes=2",
    "streamed spatial p4": "spatial=true,weight_stream_bytes=4,activation_bits=5",
}
"""Dense, spatial and streamed; with and without a Horner stage; one round to eight; one pair to seven."""


def changed(changes: str) -> Machine:
    """The machine of BASE with these parameters in place of its own."""
    given = dict(part.split("=") for part in f"{BASE},{changes}".split(",")[1:])
    return parse_machine(
        ",".join([BASE.split(",")[0], *(f"{name}={value}" for name, value in given.items())])
    )


MACHINES = {name: changed(changes) for name, changes in CHANGES.items()}
UNCOUNTED = ("issue_memory", "drain_memory", "weight_stream_memory", "registers")
"""Memories of the sequencer, one word a layer, and the bus's counters."""


@pytest.mark.parametrize("name", MACHINES)
def test_units_are_those_of_the_design(name: str) -> None:
    machine = MACHINES[name]
    found = elaborated(machine).units
    assert by_block(machine_units(machine)) == {
        unit: number for unit, number in found.items() if unit[0] not in CONTROL
    }


@pytest.mark.parametrize("name", MACHINES)
def test_memories_are_those_of_the_design(name: str) -> None:
    machine = MACHINES[name]
    found = {shape for shape in elaborated(machine).memories.items() if shape[0][0] not in UNCOUNTED}
    shapes = machine_memories(machine).values()
    assert found == {((shape.block, shape.words, shape.word_bits), shape.memories) for shape in shapes}


@pytest.mark.parametrize("name", MACHINES)
def test_every_block_is_counted_or_control(name: str) -> None:
    machine = MACHINES[name]
    counted = {unit.block for unit in machine_units(machine)}
    design = elaborated(machine)
    blocks = {unit[0] for unit in design.units} | {memory[0] for memory in design.memories}
    assert not counted & set(CONTROL)
    assert blocks <= counted | set(CONTROL)


def test_control_is_named_once_and_there() -> None:
    blocks = {unit[0] for machine in MACHINES.values() for unit in elaborated(machine).units}
    assert set(CONTROL) <= blocks | {"write_arbiter"}


@pytest.mark.parametrize("name", MACHINES)
def test_shared_hardware_is_there(name: str) -> None:
    units, memories = machine_units(MACHINES[name]), machine_memories(MACHINES[name])
    own = {unit.name for unit in units if not unit.shares}
    assert all(unit.shares in own | set(memories) for unit in units if unit.shares)
