# amaranth: UnusedElaboratable=no
"""The register file over AXI4-Lite: contents, control, errors, the program port, checksum and watchdog."""

import struct
import zlib
from dataclasses import replace

import pytest
from amaranth.sim import Simulator

from bcsim.machine.parameters import Machine
from bcsim.rtl.bus.axi_lite import LiteSubordinate
from bcsim.rtl.bus.counters import EventLayout
from bcsim.rtl.bus.program_port import ProgramPort
from bcsim.rtl.bus.registers import SETTLE, Registers
from bcsim.rtl.bus.watchdog import UNIT
from bcsim.rtl.common.register_map import (
    PARAMETERS,
    Control,
    Error,
    ProgramMemory,
    Register,
    Status,
    parameter_address,
    parameter_value,
)
from tests.rtl.bench import Manager

OKAY, SLAVE_ERROR = 0, 2
MACHINE = Machine(
    lanes=6, pes=6, digit=2, requantisers=3, weight_words=5, parameter_words=3, layers=2, input_bytes=2
)


STREAMING = replace(MACHINE, weight_stream_bytes=4)


def simulate(script, *, machine=MACHINE, autostart=False, fingerprint=None):
    """Run `script(ctx, dut, bus)` on a register file whose program has `fingerprint`, by default the machine's."""
    dut = Registers(machine, autostart=autostart)
    fingerprint = machine.fingerprint if fingerprint is None else fingerprint

    async def bench(ctx):
        ctx.set(dut.fingerprint, fingerprint)
        await script(ctx, dut, Manager(dut.bus))

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


async def event(ctx, dut, *names):
    ctx.set(dut.events, {name: int(name in names) for name, _ in EventLayout()})
    await ctx.tick()
    ctx.set(dut.events, {name: 0 for name, _ in EventLayout()})


@pytest.mark.parametrize("machine", [MACHINE, STREAMING])
def test_constants(machine):
    async def script(ctx, dut, bus):
        assert await bus.value(ctx, Register.IDENTIFICATION) == 0x4243534D
        assert await bus.value(ctx, Register.VERSION) == 2
        assert await bus.value(ctx, Register.FINGERPRINT) == machine.fingerprint
        for index, name in enumerate(PARAMETERS):
            value = getattr(machine, name)
            assert parameter_value(machine, index) == value
            absent = name == "weight_stream_bytes" and not value
            answer = (SLAVE_ERROR, 0) if absent else (OKAY, int(value))
            assert await bus.read(ctx, parameter_address(index)) == answer

    simulate(script, machine=machine)


def test_waits_for_weights_and_their_wrong_length_are_told_where_they_can_stream():
    async def script(ctx, dut, bus):
        await bus.write(ctx, Register.CONTROL, Control.RUN)
        ctx.set(dut.bad_weights, 1)
        ctx.set(dut.events, {"accepted": 1, "waits_weights": 1})
        await ctx.tick().repeat(3)
        ctx.set(dut.bad_weights, 0)
        ctx.set(dut.events, {})
        assert await bus.value(ctx, Register.STALL_WEIGHTS) == 3
        assert await bus.value(ctx, Register.ERRORS) == Error.WEIGHT_LENGTH
        await bus.write(ctx, Register.ERRORS, Error.WEIGHT_LENGTH)
        assert await bus.value(ctx, Register.ERRORS) == 0

    simulate(script, machine=STREAMING)


def test_without_a_weight_stream_its_counter_does_not_exist():
    async def script(ctx, dut, bus):
        assert await bus.read(ctx, Register.STALL_WEIGHTS) == (SLAVE_ERROR, 0)

    simulate(script)


def test_run_starts_and_stops_and_waits_for_the_array_in_between():
    async def script(ctx, dut, bus):
        assert not ctx.get(dut.running)
        await bus.write(ctx, Register.CONTROL, Control.RUN)
        assert ctx.get(dut.running)
        await bus.write(ctx, Register.CONTROL, Control.RUN | Control.RESET)
        assert await bus.value(ctx, Register.CONTROL) == Control.RUN
        assert not ctx.get(dut.running)
        await ctx.tick().repeat(SETTLE)
        assert ctx.get(dut.running)
        await bus.write(ctx, Register.CONTROL, 0)
        assert not ctx.get(dut.running)
        await ctx.tick().repeat(2 * SETTLE)
        assert not ctx.get(dut.running)

    simulate(script)


def test_the_flush_comes_once_in_the_first_stopped_cycle():
    seen = []

    async def script(ctx, dut, bus):
        await ctx.tick().repeat(2)
        ctx.set(dut.bus.awaddr, Register.CONTROL)
        ctx.set(dut.bus.wdata, Control.RUN | Control.RESET)
        ctx.set(dut.bus.wstrb, 0xF)
        ctx.set(dut.bus.awvalid, 1)
        ctx.set(dut.bus.wvalid, 1)
        for _ in range(SETTLE + 4):
            seen.append((ctx.get(dut.running), ctx.get(dut.flush)))
            await ctx.tick()
            ctx.set(dut.bus.awvalid, 0)

    simulate(script, autostart=True)
    assert seen[:3] == [(1, 0), (0, 1), (0, 0)]
    assert [flush for _, flush in seen].count(1) == 1
    assert [running for running, _ in seen].count(0) == SETTLE
    assert seen[-1] == (1, 0)


def test_a_program_for_another_machine_never_starts():
    async def script(ctx, dut, bus):
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.running)
        assert await bus.value(ctx, Register.ERRORS) == Error.FINGERPRINT
        assert await bus.value(ctx, Register.CONTROL) == 0
        await bus.write(ctx, Register.ERRORS, Error.FINGERPRINT)
        assert await bus.value(ctx, Register.ERRORS) == 0
        ctx.set(dut.fingerprint, MACHINE.fingerprint)
        await bus.write(ctx, Register.CONTROL, Control.RUN)
        assert ctx.get(dut.running)

    simulate(script, autostart=True, fingerprint=MACHINE.fingerprint ^ 1)


def test_errors_stay_until_cleared_one_by_one():
    async def script(ctx, dut, bus):
        ctx.set(dut.bad_length, 1)
        await ctx.tick()
        ctx.set(dut.bad_length, 0)
        assert await bus.read(ctx, 0x7C) == (SLAVE_ERROR, 0)
        assert await bus.value(ctx, Register.ERRORS) == Error.IMAGE_LENGTH | Error.BUS_ADDRESS
        await bus.write(ctx, Register.ERRORS, Error.IMAGE_LENGTH)
        assert await bus.value(ctx, Register.ERRORS) == Error.BUS_ADDRESS

    simulate(script)


@pytest.mark.parametrize(
    "address", [Register.STATUS, Register.CYCLES, Register.VERSION, 0x80, 0x54, 0x4000, 0xFFFC]
)
def test_writes_elsewhere_are_answered_with_an_error(address):
    async def script(ctx, dut, bus):
        assert await bus.write(ctx, address, 1) == SLAVE_ERROR
        assert await bus.value(ctx, Register.ERRORS) == Error.BUS_ADDRESS

    simulate(script)


@pytest.mark.parametrize("offset", [1, 2, 3])
def test_addresses_between_words_are_answered_with_an_error(offset):
    async def script(ctx, dut, bus):
        assert (await bus.read(ctx, Register.CONTROL + offset))[0] == SLAVE_ERROR
        assert await bus.write(ctx, Register.CONTROL + offset, Control.RUN) == SLAVE_ERROR
        assert await bus.value(ctx, Register.CONTROL) == 0
        assert await bus.value(ctx, Register.ERRORS) == Error.BUS_ADDRESS

    simulate(script)


def test_partial_writes_are_refused():
    async def script(ctx, dut, bus):
        assert await bus.write(ctx, Register.CONTROL, Control.RUN, strobe=0b0111) == SLAVE_ERROR
        assert await bus.value(ctx, Register.CONTROL) == 0
        assert await bus.value(ctx, Register.ERRORS) == Error.BUS_ADDRESS

    simulate(script)


def test_the_interrupt_follows_images_and_errors_where_it_is_enabled():
    async def script(ctx, dut, bus):
        await event(ctx, dut, "sent")
        assert not ctx.get(dut.interrupt)
        await bus.write(ctx, Register.CONTROL, Control.INTERRUPT)
        assert ctx.get(dut.interrupt)
        assert await bus.value(ctx, Register.INTERRUPT) == 1
        await bus.write(ctx, Register.INTERRUPT, 1)
        assert not ctx.get(dut.interrupt)
        ctx.set(dut.bad_length, 1)
        await ctx.tick()
        ctx.set(dut.bad_length, 0)
        assert ctx.get(dut.interrupt)
        await bus.write(ctx, Register.ERRORS, Error.IMAGE_LENGTH)
        assert not ctx.get(dut.interrupt)

    simulate(script)


def test_status_and_counters():
    async def script(ctx, dut, bus):
        await ctx.tick().repeat(2)
        await event(ctx, dut, "accepted", "waits_input")
        await event(ctx, dut, "step")
        await event(ctx, dut, "step", "sent")
        ctx.set(dut.loaded, 1)
        ctx.set(dut.output_free, 1)
        assert await bus.value(ctx, Register.STATUS) == Status.RUNNING | Status.LOADED | Status.OUTPUT_FREE
        values = {
            Register.CYCLES: 3,
            Register.CYCLES_HIGH: 0,
            Register.IMAGES: 1,
            Register.STEPS: 2,
            Register.STALL_INPUT: 1,
            Register.STALL_OUTPUT: 0,
            Register.STALL_DRAIN: 0,
        }
        for register, value in values.items():
            assert await bus.value(ctx, register) == value
        await bus.write(ctx, Register.CONTROL, Control.RUN | Control.RESET)
        assert await bus.value(ctx, Register.CYCLES) == 3
        await ctx.tick().repeat(SETTLE)
        assert await bus.value(ctx, Register.CYCLES) == 0

    simulate(script, autostart=True)


async def loaded_words(ctx, dut, bus, memory, address, count, data_of):
    """The (enable, slices, address, data) that writing `count` times to DATA gives."""
    await bus.write(ctx, Register.MEMORY, memory)
    await bus.write(ctx, Register.ADDRESS, address)
    seen = []
    for index in range(count):
        await bus.write(
            ctx, Register.DATA, data_of(index), watch=lambda: seen.append(program_write(ctx, dut))
        )
    return [write for write in seen if write[0]]


def program_write(ctx, dut):
    program = dut.program
    return tuple(
        ctx.get(signal) for signal in (program.enable, program.slices, program.address, program.data)
    )


@pytest.mark.parametrize(
    ("memory", "slices", "depth"),
    [
        (ProgramMemory.STREAM, 4, 1),
        (ProgramMemory.ISSUE, 5, 2),
        (ProgramMemory.DRAIN, 3, 2),
        (ProgramMemory.WEIGHTS, 2, 5),
        (ProgramMemory.PARAMETERS, 2, 6),
        (ProgramMemory.PARAMETERS + 2, 2, 6),
    ],
)
def test_data_fill_words_slice_by_slice_and_stop_at_the_end(memory, slices, depth):
    async def script(ctx, dut, bus):
        writes = await loaded_words(ctx, dut, bus, memory, 0, slices * depth + 1, (1000).__add__)
        assert writes == [
            (1 << memory, 1 << index % slices, index // slices, 1000 + index)
            for index in range(slices * depth)
        ]
        assert await bus.value(ctx, Register.MEMORY) == memory
        assert await bus.value(ctx, Register.ADDRESS) == depth
        assert await bus.value(ctx, Register.ERRORS) == Error.PROGRAM_SIZE

    simulate(script)


def test_the_weight_loaders_records_lie_behind_the_parameters():
    memory = ProgramMemory.PARAMETERS + STREAMING.requantisers

    async def script(ctx, dut, bus):
        writes = await loaded_words(ctx, dut, bus, memory, 0, 5, int)
        assert writes == [(1 << memory, 1 << index % 2, index // 2, index) for index in range(4)]
        assert await bus.value(ctx, Register.ERRORS) == Error.PROGRAM_SIZE
        await loaded_words(ctx, dut, bus, memory - 1, 0, 1, int)
        assert await loaded_words(ctx, dut, bus, memory + 1, 0, 1, int) == []

    simulate(script, machine=STREAMING)


def test_an_address_starts_at_a_words_first_slice():
    async def script(ctx, dut, bus):
        await loaded_words(ctx, dut, bus, ProgramMemory.WEIGHTS, 0, 3, int)
        writes = await loaded_words(ctx, dut, bus, ProgramMemory.WEIGHTS, 3, 3, int)
        assert writes == [(8, 1, 3, 0), (8, 2, 3, 1), (8, 1, 4, 2)]

    simulate(script)


def test_there_is_no_memory_behind_the_last_requantisers():
    async def script(ctx, dut, bus):
        assert await loaded_words(ctx, dut, bus, ProgramMemory.PARAMETERS + 3, 0, 1, int) == []
        assert await loaded_words(ctx, dut, bus, 1 << 16, 0, 1, int) == []
        assert await bus.value(ctx, Register.ERRORS) == Error.PROGRAM_SIZE

    simulate(script)


def test_a_running_program_is_not_written():
    async def script(ctx, dut, bus):
        await ctx.tick().repeat(3)
        assert await loaded_words(ctx, dut, bus, ProgramMemory.WEIGHTS, 0, 1, int) == []
        assert await bus.value(ctx, Register.ERRORS) == Error.PROGRAM_BUSY

    simulate(script, autostart=True)


LOAD = [(Register.MEMORY, 3), (Register.ADDRESS, 1), (Register.DATA, 0x89ABCDEF), (Register.DATA, 7)]
LOAD_CHECKSUM = zlib.crc32(struct.pack("<4I", *(data for _, data in LOAD)))


async def load(ctx, bus, writes=LOAD):
    await bus.write(ctx, Register.CONTROL, 0)
    for address, data in writes:
        assert await bus.write(ctx, address, data) == OKAY


@pytest.mark.parametrize("wrong", [None, 0, LOAD_CHECKSUM ^ 1, LOAD_CHECKSUM ^ 1 << 31])
def test_a_load_without_its_checksum_never_starts(wrong):
    async def script(ctx, dut, bus):
        await load(ctx, bus)
        if wrong is not None:
            await bus.write(ctx, Register.CHECKSUM, wrong)
        await bus.write(ctx, Register.CONTROL, Control.RUN)
        await ctx.tick().repeat(2 * SETTLE)
        assert not ctx.get(dut.running)
        assert await bus.value(ctx, Register.ERRORS) == Error.CHECKSUM
        assert await bus.value(ctx, Register.CONTROL) == 0
        await load(ctx, bus)
        await bus.write(ctx, Register.CHECKSUM, LOAD_CHECKSUM)
        await bus.write(ctx, Register.ERRORS, Error.CHECKSUM)
        await bus.write(ctx, Register.CONTROL, Control.RUN)
        assert ctx.get(dut.running)
        assert await bus.value(ctx, Register.CHECKSUM) == LOAD_CHECKSUM
        assert await bus.value(ctx, Register.ERRORS) == 0

    simulate(script)


@pytest.mark.parametrize("index", range(len(LOAD)))
@pytest.mark.parametrize("bit", [0, 1, 16])
def test_any_loaded_word_that_differs_is_seen(index, bit):
    writes = [(address, data ^ (i == index) << bit) for i, (address, data) in enumerate(LOAD)]

    async def script(ctx, dut, bus):
        await load(ctx, bus, writes)
        await bus.write(ctx, Register.CHECKSUM, LOAD_CHECKSUM)
        await bus.write(ctx, Register.CONTROL, Control.RUN)
        assert not ctx.get(dut.running)
        assert await bus.value(ctx, Register.ERRORS) & Error.CHECKSUM

    simulate(script)


def test_a_checked_program_starts_again_without_its_checksum():
    async def script(ctx, dut, bus):
        await load(ctx, bus)
        await bus.write(ctx, Register.CHECKSUM, LOAD_CHECKSUM)
        for control in (Control.RUN, Control.RUN | Control.RESET, 0, Control.RUN):
            await bus.write(ctx, Register.CONTROL, control)
            await ctx.tick().repeat(2 * SETTLE)
            assert ctx.get(dut.running) == bool(control & Control.RUN)
        await bus.write(ctx, Register.MEMORY, 3)  # refused words change nothing
        await bus.write(ctx, Register.DATA, 1)
        await bus.write(ctx, Register.CONTROL, Control.RUN | Control.RESET)
        await ctx.tick().repeat(2 * SETTLE)
        assert ctx.get(dut.running)

    simulate(script)


def test_the_bitstreams_program_has_its_checksum():
    dut = Registers(MACHINE, autostart=True, checksum=0x12345678)

    async def script(ctx):
        ctx.set(dut.fingerprint, MACHINE.fingerprint)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.running)
        assert await Manager(dut.bus).value(ctx, Register.CHECKSUM) == 0x12345678

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(script)
    sim.run()


def test_the_watchdog_stops_what_never_ends_and_a_start_recovers():
    async def script(ctx, dut, bus):
        await bus.write(ctx, Register.WATCHDOG, 1)
        await ctx.tick().repeat(UNIT // 2)
        ctx.set(dut.waits_host, 1)
        await ctx.tick().repeat(2 * UNIT)
        ctx.set(dut.waits_host, 0)
        assert ctx.get(dut.running)
        await event(ctx, dut, "sent")
        await ctx.tick().repeat(UNIT - 2)
        assert ctx.get(dut.running)
        await ctx.tick().repeat(4)
        assert not ctx.get(dut.running)
        assert await bus.value(ctx, Register.ERRORS) == Error.WATCHDOG
        assert await bus.value(ctx, Register.CONTROL) == 0
        await bus.write(ctx, Register.ERRORS, Error.WATCHDOG)
        await bus.write(ctx, Register.CONTROL, Control.RUN)
        await ctx.tick().repeat(SETTLE)
        assert ctx.get(dut.running)
        assert await bus.value(ctx, Register.ERRORS) == 0

    simulate(script, autostart=True)


def test_a_watchdog_of_zero_waits_for_ever():
    async def script(ctx, dut, bus):
        assert await bus.value(ctx, Register.WATCHDOG) == 0xFFFF
        await bus.write(ctx, Register.WATCHDOG, 0)
        await ctx.tick().repeat(3 * UNIT)
        assert ctx.get(dut.running)

    simulate(script, autostart=True)


@pytest.mark.parametrize("block", [Registers, ProgramPort])
def test_the_machine_is_checked(block):
    with pytest.raises(TypeError, match=r"^Machine must be a Machine, not None$"):
        block(None)


def test_the_bus_width_is_checked():
    with pytest.raises(ValueError, match=r"^Address bits must be at least 1, not 0$"):
        LiteSubordinate(address_bits=0)


@pytest.mark.parametrize("first", ["aw", "w"])
def test_address_and_data_of_a_write_may_come_in_either_order(first):
    async def script(ctx, dut, bus):
        signals = {"aw": dut.bus.awvalid, "w": dut.bus.wvalid}
        ctx.set(dut.bus.awaddr, Register.MEMORY)
        ctx.set(dut.bus.wdata, 3)
        ctx.set(dut.bus.wstrb, 0xF)
        ctx.set(signals.pop(first), 1)
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.bus.bvalid)
        ctx.set(signals.popitem()[1], 1)
        assert ctx.get(dut.bus.awready)
        assert ctx.get(dut.bus.wready)
        await ctx.tick()
        ctx.set(dut.bus.awvalid, 0)
        ctx.set(dut.bus.wvalid, 0)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.bus.bvalid)
        ctx.set(dut.bus.bready, 1)
        await ctx.tick()
        assert not ctx.get(dut.bus.bvalid)
        assert await bus.value(ctx, Register.MEMORY) == 3

    simulate(script)
