"""The register file: control, status, counters and the program port on an AXI4-Lite bus."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from bcsim.machine.parameters import Machine
from bcsim.rtl.bus.axi_lite import LiteSubordinate
from bcsim.rtl.bus.counters import Counters, EventLayout
from bcsim.rtl.bus.program_checksum import ProgramChecksum
from bcsim.rtl.bus.program_port import ProgramPort, ProgramSignature
from bcsim.rtl.bus.watchdog import LIMIT_BITS, Watchdog
from bcsim.rtl.common.axi import LITE_BITS, LiteSignature
from bcsim.rtl.common.register_map import (
    ADDRESS_BITS,
    IDENTIFICATION,
    PARAMETERS,
    VERSION,
    Control,
    Register,
    parameter_address,
    parameter_value,
)
from bcsim.rtl.common.require import require_machine

__all__ = ["Registers"]

SETTLE = 32
"""Cycles from a stop to the next start, more than any array's latency."""

WRITABLE = (
    Register.CONTROL,
    Register.ERRORS,
    Register.INTERRUPT,
    Register.MEMORY,
    Register.ADDRESS,
    Register.DATA,
    Register.CHECKSUM,
    Register.WATCHDOG,
)


class Registers(wiring.Component):
    """What software sees; addresses and flags are in register_map.py.

    Parameters
    ----------
    machine : Machine
    autostart : bool
        Run without being told to.
    checksum : int
        What CHECKSUM reads at first: that of the program in the memories.

    Members
    -------
    bus : In(LiteSignature(16))
    interrupt : Out(1)
    program : Out(ProgramSignature(machine))
    fingerprint : In(32)
        The loaded program's, from its stream record.
    running : Out(1)
        The machine is out of reset.
    flush : Out(1)
        The first cycle after `running`, which stays low until the array has taken its last step through.
    events : In(EventLayout(streams))
    bad_length : In(1)
        The loader drops an image.
    bad_weights : In(1)
        Only where weights can stream: the weight loader stops.
    waits_host : In(1)
        The machine waits for an image and owes no result, or for weights, or for its results to be taken.
    loaded, output_free : In(1)
        For STATUS.
    """

    def __init__(self, machine: Machine, *, autostart: bool = False, checksum: int = 0) -> None:
        require_machine(machine)
        self.machine = machine
        self.autostart = autostart
        self.checksum = checksum
        self.streams = machine.weight_stream_bytes > 0
        super().__init__(
            {
                "bus": In(LiteSignature(address_bits=ADDRESS_BITS)),
                "interrupt": Out(1),
                "program": Out(ProgramSignature(machine)),
                "fingerprint": In(32),
                "running": Out(1),
                "flush": Out(1),
                "events": In(EventLayout(streams=self.streams)),
                "bad_length": In(1),
                **({"bad_weights": In(1)} if self.streams else {}),
                "waits_host": In(1),
                "loaded": In(1),
                "output_free": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.subordinate = bus = LiteSubordinate(address_bits=ADDRESS_BITS)
        m.submodules.counters = counters = Counters(streams=self.streams)
        m.submodules.program_port = port = ProgramPort(self.machine)
        connect(m, flipped(self.bus), bus.bus)
        connect(m, flipped(self.program), port.program)
        write = {register: Signal(name=f"write_{register.name.lower()}") for register in WRITABLE}
        data = bus.write_data
        m.d.comb += [
            *(write[r].eq(bus.write & (bus.write_address == r >> 2)) for r in WRITABLE),
            bus.write_known.eq(Cat(bus.write_address == r >> 2 for r in WRITABLE).any()),
            port.data.eq(data),
            port.write_memory.eq(write[Register.MEMORY]),
            port.write_address.eq(write[Register.ADDRESS]),
            port.write_data.eq(write[Register.DATA]),
            port.running.eq(self.running),
            counters.events.eq(self.events),
        ]
        m.submodules.program_checksum = check = ProgramChecksum()
        m.submodules.watchdog = watchdog = Watchdog()
        m.d.comb += [check.word.eq(port.loads), check.fill.eq(port.fills)]
        self._guard(m, check, watchdog, write, data)
        control, start, mismatch = self._control(m, write[Register.CONTROL], data, check, watchdog)
        m.d.comb += counters.clear.eq(start)
        bad_weights = self.bad_weights if self.streams else Const(0)
        unverified = start & ~check.verified
        errors = self._sticky(
            m,
            Cat(
                *(self.bad_length, mismatch, bus.refused, port.too_large, port.busy),
                *(bad_weights, unverified, watchdog.expired),
            ),
            Mux(write[Register.ERRORS], data, 0),
        )
        pending = self._sticky(m, self.events.sent, Mux(write[Register.INTERRUPT], data, 0))
        m.d.comb += self.interrupt.eq((pending | errors.any()) & (control & Control.INTERRUPT).any())
        status = Cat(self.running, self.loaded, self.output_free)
        contents = self._contents(counters, port, control, status, errors, pending)
        contents |= {Register.CHECKSUM: self._checksum, Register.WATCHDOG: watchdog.limit}
        self._read(m, bus, contents)
        return m

    def _guard(
        self,
        m: Module,
        check: ProgramChecksum,
        watchdog: Watchdog,
        write: dict[Register, Signal],
        data: Value,
    ) -> None:
        """What keeps a wrong program from running, and a right one from never ending."""
        # As the memories, the checksum of their program outlives a reset.
        self._checksum = Signal(LITE_BITS, init=self.checksum, reset_less=True)
        limit = Signal(LIMIT_BITS, init=(1 << LIMIT_BITS) - 1)
        m.d.comb += [
            check.data.eq(data),
            check.close.eq(write[Register.CHECKSUM]),
            check.restart.eq(write[Register.CONTROL] & ~(data & Control.RUN).any()),
            watchdog.limit.eq(limit),
            watchdog.running.eq(self.running),
            watchdog.progress.eq(self.events.sent),
            watchdog.waiting.eq(self.waits_host),
        ]
        with m.If(write[Register.CHECKSUM]):
            m.d.sync += self._checksum.eq(data)
        with m.If(write[Register.WATCHDOG]):
            m.d.sync += limit.eq(data)

    def _control(
        self, m: Module, write: Signal, data: Value, check: ProgramChecksum, watchdog: Watchdog
    ) -> tuple[Signal, Signal, Signal]:
        """Start, stop and start over; returns CONTROL's contents and the strobes of a start and a refusal."""
        control = Signal(3, init=int(Control.RUN) if self.autostart else 0)
        run, matches, start, mismatch, right = (Signal() for _ in range(5))
        settling = Signal(range(SETTLE))
        m.d.comb += [
            run.eq((control & Control.RUN).any()),
            matches.eq(self.fingerprint == self.machine.fingerprint),
            start.eq(run & ~self.running & (settling == 0)),
            mismatch.eq(start & ~matches),
            right.eq(matches & check.verified),
            check.accept.eq(start & right),
            self.flush.eq(settling == SETTLE - 1),
        ]
        with m.If(start):
            m.d.sync += self.running.eq(right)
        with m.If(settling != 0):
            m.d.sync += settling.eq(settling - 1)
        with m.If((start & ~right) | watchdog.expired):
            m.d.sync += control.eq(control & ~Control.RUN)
        with m.If(watchdog.expired):
            m.d.sync += [self.running.eq(0), settling.eq(SETTLE - 1)]
        with m.If(write):
            m.d.sync += control.eq(data & (Control.RUN | Control.INTERRUPT))
            with m.If(~(data & Control.RUN).any() | (data & Control.RESET).any()):
                m.d.sync += [self.running.eq(0), settling.eq(Mux(self.running, SETTLE - 1, settling))]
        return control, start, mismatch

    def _sticky(self, m: Module, events: Value, clear: Value) -> Signal:
        """Flags that stay until cleared; an event goes before a clear in the same cycle."""
        flags = Signal(len(events))
        m.d.sync += flags.eq((flags & ~clear) | events)
        return flags

    def _contents(
        self,
        counters: Counters,
        port: ProgramPort,
        control: Value,
        status: Value,
        errors: Value,
        pending: Value,
    ) -> dict[int, Value | int]:
        """What the readable registers read, by address."""
        return {
            Register.IDENTIFICATION: IDENTIFICATION,
            Register.VERSION: VERSION,
            Register.FINGERPRINT: self.machine.fingerprint,
            Register.CONTROL: control,
            Register.STATUS: status,
            Register.ERRORS: errors,
            Register.INTERRUPT: pending,
            Register.IMAGES: counters.images,
            Register.CYCLES: counters.cycles[:LITE_BITS],
            Register.CYCLES_HIGH: counters.cycles[LITE_BITS:],
            Register.STEPS: counters.steps,
            Register.STALL_INPUT: counters.stall_input,
            Register.STALL_OUTPUT: counters.stall_output,
            Register.STALL_DRAIN: counters.stall_drain,
            **({Register.STALL_WEIGHTS: counters.stall_weights} if self.streams else {}),
            Register.MEMORY: port.memory,
            Register.ADDRESS: port.address,
            **{
                parameter_address(i): parameter_value(self.machine, i)
                for i, name in enumerate(PARAMETERS)
                if name != "weight_stream_bytes" or self.streams
            },
        }

    def _read(self, m: Module, bus: LiteSubordinate, contents: dict[int, Value | int]) -> None:
        with m.Switch(bus.read_address):
            for address, value in contents.items():
                with m.Case(address >> 2):
                    m.d.comb += [bus.read_data.eq(value), bus.read_known.eq(1)]
