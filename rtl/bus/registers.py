"""The register file: control, status, counters and the program port on an AXI4-Lite bus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from bcsim.machine.parameters import Machine
from bcsim.rtl.bus.axi_lite import LiteSubordinate
from bcsim.rtl.bus.counters import PLACE_BITS, Counters, EventLayout
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
)
"""Of every machine."""

COUNTED = (
    *(Register.IMAGES, Register.CYCLES, Register.CYCLES_HIGH, Register.STEPS),
    *(Register.STALL_INPUT, Register.STALL_OUTPUT, Register.STALL_DRAIN, Register.STALL_WEIGHTS),
)
"""What is counted; the last only where weights can stream."""

LOADING = (Register.MEMORY, Register.ADDRESS, Register.DATA, Register.CHECKSUM)
"""Written only where programs can be loaded."""


class Guard:
    """What may keep a program from running; without the units that drive them, the signals keep their first values.

    verified, mismatch, accept : what is loaded is whole, is for another machine, begins to run.
    too_large, busy : as in ProgramPort. expired : as in Watchdog.
    """

    def __init__(self) -> None:
        self.verified = Signal(init=1, name="verified")
        self.mismatch, self.accept = Signal(name="mismatch"), Signal(name="accept")
        self.too_large, self.busy = Signal(name="too_large"), Signal(name="busy")
        self.expired = Signal(name="expired")


class Registers(wiring.Component):
    """What software sees; addresses and flags are in register_map.py.

    Parameters
    ----------
    machine : Machine
    autostart : bool
        Run without being told to.
    checksum : int
        What CHECKSUM reads at first: that of the program in the memories. Without `loading` it always does.

    Members
    -------
    bus : In(LiteSignature(16))
    interrupt : Out(1)
    program : Out(ProgramSignature(machine))
        Only on a machine with `loading`.
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
    fault : In(1)
        Only with `parity`: a word of a program memory is not what was loaded.
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
                **({"program": Out(ProgramSignature(machine))} if machine.loading else {}),
                "fingerprint": In(32),
                "running": Out(1),
                "flush": Out(1),
                "events": In(EventLayout(streams=self.streams)),
                "bad_length": In(1),
                **({"bad_weights": In(1)} if self.streams else {}),
                "waits_host": In(1),
                "loaded": In(1),
                "output_free": In(1),
                **({"fault": In(1)} if machine.parity else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        machine = self.machine
        m.submodules.subordinate = bus = LiteSubordinate(address_bits=ADDRESS_BITS)
        connect(m, flipped(self.bus), bus.bus)
        write = self._writes(m, bus)
        guard = Guard()
        constants = self._constants()
        words = {address >> 2: value for address, value in constants.items()}
        counters = Counters(streams=self.streams, others=words) if machine.counters else None
        contents: dict[int, Value | int] = {} if counters else {**constants}
        if machine.loading:
            contents |= self._load(m, bus, write, guard, counters)
        if machine.watchdog:
            contents |= self._watch(m, write[Register.WATCHDOG], bus.write_data, guard)
        control, start = self._control(m, write[Register.CONTROL], bus.write_data, guard)
        stored = self._count(m, bus, start, counters, words) if counters else Const(0)
        bad_weights = self.bad_weights if self.streams else Const(0)
        flags = (self.bad_length, guard.mismatch, bus.refused, guard.too_large, guard.busy, bad_weights)
        unverified = start & ~guard.verified
        clear = Mux(write[Register.ERRORS], bus.write_data, 0)
        changed = [self.fault & self.running] if machine.parity else []
        errors = self._sticky(m, Cat(*flags, unverified, guard.expired, *changed), clear)
        clear = Mux(write[Register.INTERRUPT], bus.write_data, 0)
        pending = self._sticky(m, self.events.sent, clear)
        m.d.comb += self.interrupt.eq((pending | errors.any()) & (control & Control.INTERRUPT).any())
        contents |= {
            Register.CONTROL: control,
            Register.STATUS: Cat(self.running, self.loaded, self.output_free),
            Register.ERRORS: errors,
            Register.INTERRUPT: pending,
        }
        own, found = self._find(m, bus, contents)
        value = Mux(stored, counters.value, found) if counters else found
        m.d.comb += [bus.read_known.eq(stored | own), bus.read_data.eq(Mux(bus.read_known, value, 0))]
        return m

    def _writes(self, m: Module, bus: LiteSubordinate) -> dict[Register, Signal]:
        """A strobe for every register of this machine that can be written."""
        machine = self.machine
        loading = LOADING if machine.loading else ()
        writable = (*WRITABLE, *loading, *((Register.WATCHDOG,) if machine.watchdog else ()))
        chosen = {r: bus.write_address[:PLACE_BITS] == r >> 2 for r in writable}
        write = {register: Signal(name=f"write_{register.name.lower()}") for register in writable}
        near, written = (Signal(name=name) for name in ("near", "written"))
        m.d.comb += [
            near.eq(~bus.write_address[PLACE_BITS:].any()),
            written.eq(bus.write & near),
            *(write[register].eq(written & match) for register, match in chosen.items()),
            bus.write_known.eq(near & Cat(*chosen.values()).any()),
        ]
        return write

    def _load(
        self,
        m: Module,
        bus: LiteSubordinate,
        write: dict[Register, Signal],
        guard: Guard,
        counters: Counters | None,
    ) -> dict[int, Value | int]:
        """The program port, and the checksum that keeps a wrong program from running."""
        m.submodules.program_port = port = ProgramPort(self.machine)
        m.submodules.program_checksum = check = ProgramChecksum()
        connect(m, flipped(self.program), port.program)
        data = bus.write_data
        m.d.comb += [
            port.data.eq(data),
            port.write_memory.eq(write[Register.MEMORY]),
            port.write_address.eq(write[Register.ADDRESS]),
            port.write_data.eq(write[Register.DATA]),
            port.running.eq(self.running),
            check.word.eq(port.loads),
            check.fill.eq(port.fills),
            check.data.eq(data),
            check.close.eq(write[Register.CHECKSUM]),
            check.restart.eq(write[Register.CONTROL] & ~(data & Control.RUN).any()),
            check.accept.eq(guard.accept),
            bus.hold.eq(check.busy | (counters.save & ~counters.saved) if counters else check.busy),
            guard.verified.eq(check.verified),
            guard.too_large.eq(port.too_large),
            guard.busy.eq(port.busy),
        ]
        found: dict[int, Value | int] = {Register.MEMORY: port.memory, Register.ADDRESS: port.address}
        if counters:
            offered = bus.offered & (bus.write_address == Register.CHECKSUM >> 2)
            m.d.comb += [counters.save.eq(offered & ~check.busy), counters.data.eq(data)]
            return found
        # As the memories, the checksum of their program outlives a reset.
        checksum = Signal(LITE_BITS, init=self.checksum, reset_less=True)
        with m.If(write[Register.CHECKSUM]):
            m.d.sync += checksum.eq(data)
        return found | {Register.CHECKSUM: checksum}

    def _watch(self, m: Module, write: Signal, data: Value, guard: Guard) -> dict[int, Value | int]:
        """What keeps a program from never ending."""
        m.submodules.watchdog = watchdog = Watchdog()
        limit = Signal(LIMIT_BITS, init=(1 << LIMIT_BITS) - 1)
        m.d.comb += [
            watchdog.limit.eq(limit),
            watchdog.running.eq(self.running),
            watchdog.progress.eq(self.events.sent),
            watchdog.waiting.eq(self.waits_host),
            guard.expired.eq(watchdog.expired),
        ]
        with m.If(write):
            m.d.sync += limit.eq(data)
        return {Register.WATCHDOG: limit}

    def _count(
        self, m: Module, bus: LiteSubordinate, start: Signal, counters: Counters, words: Iterable[int]
    ) -> Value:
        """The counters, which start over with every start, and the other words of their memory.

        A read waits for its word's turn. Returns whether it is of such a word.
        """
        m.submodules.counters = counters
        counted = [register >> 2 for register in (COUNTED if self.streams else COUNTED[:-1])]
        stored, near = Signal(), ~bus.read_address[PLACE_BITS:].any()
        with m.Switch(counters.wanted):
            with m.Case(*counted):
                m.d.comb += [stored.eq(near), counters.counter.eq(1)]
            with m.Case(*words):
                m.d.comb += stored.eq(near)
        m.d.comb += [
            counters.events.eq(self.events),
            counters.clear.eq(start),
            counters.wanted.eq(bus.read_address),
            counters.asked.eq(bus.bus.arvalid & stored),
            bus.hold_read.eq(stored & ~counters.ready),
        ]
        return stored

    def _control(self, m: Module, write: Signal, data: Value, guard: Guard) -> tuple[Signal, Signal]:
        """Start, stop and start over; returns CONTROL's contents and the strobe of a start."""
        control = Signal(3, init=int(Control.RUN) if self.autostart else 0)
        run, matches, start, right = (Signal(name=name) for name in ("run", "matches", "start", "right"))
        settling = Signal(range(SETTLE))
        m.d.comb += [
            run.eq((control & Control.RUN).any()),
            matches.eq(self.fingerprint == self.machine.fingerprint),
            start.eq(run & ~self.running & (settling == 0)),
            guard.mismatch.eq(start & ~matches),
            right.eq(matches & guard.verified),
            guard.accept.eq(start & right),
            self.flush.eq(settling == SETTLE - 1),
        ]
        with m.If(start):
            m.d.sync += self.running.eq(right)
        with m.If(settling != 0):
            m.d.sync += settling.eq(settling - 1)
        with m.If((start & ~right) | guard.expired):
            m.d.sync += control.eq(control & ~Control.RUN)
        with m.If(guard.expired):
            m.d.sync += [self.running.eq(0), settling.eq(SETTLE - 1)]
        with m.If(write):
            m.d.sync += control.eq(data & (Control.RUN | Control.INTERRUPT))
            with m.If(~(data & Control.RUN).any() | (data & Control.RESET).any()):
                m.d.sync += [self.running.eq(0), settling.eq(Mux(self.running, SETTLE - 1, settling))]
        return control, start

    def _sticky(self, m: Module, events: Value, clear: Value) -> Signal:
        """Flags that stay until cleared; an event goes before a clear in the same cycle."""
        flags = Signal(len(events))
        m.d.sync += flags.eq((flags & ~clear) | events)
        return flags

    def _constants(self) -> dict[int, int]:
        """What never changes, by address, and what the checksum is at first."""
        parameters = {
            parameter_address(i): parameter_value(self.machine, i)
            for i, name in enumerate(PARAMETERS)
            if name != "weight_stream_bytes" or self.streams
        }
        return {
            Register.IDENTIFICATION: IDENTIFICATION,
            Register.VERSION: VERSION,
            Register.FINGERPRINT: self.machine.fingerprint,
            Register.CHECKSUM: self.checksum,
            **(parameters if self.machine.readable_parameters else {}),
        }

    def _find(
        self, m: Module, bus: LiteSubordinate, contents: Mapping[int, Value | int]
    ) -> tuple[Signal, Signal]:
        """Whether these registers have the one that is read, and what it holds then."""
        shared: dict[int, tuple[Value | int, list[int]]] = {}
        for address, value in contents.items():
            shared.setdefault(id(value), (value, []))[1].append(address >> 2)
        own, found = Signal(name="own"), Signal(LITE_BITS, name="found")
        with m.Switch(bus.read_address[:PLACE_BITS]):
            for value, addresses in shared.values():
                with m.Case(*addresses):
                    m.d.comb += [found.eq(value), own.eq(~bus.read_address[PLACE_BITS:].any())]
        return own, found
