"""The accelerator: pixels in, class scores out, one network after another."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out, PureInterface, connect, flipped

from bcsim.compiler.mapping.image import Image
from bcsim.machine.latency import pipeline_stages
from bcsim.machine.parameters import Machine
from bcsim.rtl.bus.program_image import program_checksum, program_memories
from bcsim.rtl.bus.registers import Registers
from bcsim.rtl.bus.watchdog import Unanswered
from bcsim.rtl.common.axi import LiteSignature, StreamSignature
from bcsim.rtl.common.delay import delayed
from bcsim.rtl.common.loaded_memory import SLICE_BITS, LoadedMemory, LoadedRegister
from bcsim.rtl.common.memory import ActivationMemory, WriteArbiter, WriteSignature
from bcsim.rtl.common.records import stream_layout
from bcsim.rtl.common.register_map import ADDRESS_BITS, ProgramMemory
from bcsim.rtl.common.require import require_machine
from bcsim.rtl.common.step import StepLayout
from bcsim.rtl.datapath.array import Array
from bcsim.rtl.datapath.padding import Padding
from bcsim.rtl.datapath.requantiser import Requantiser
from bcsim.rtl.sequencer.drain import DrainWalker
from bcsim.rtl.sequencer.drain_writer import DrainWriter
from bcsim.rtl.sequencer.issue import IssueWalker
from bcsim.rtl.streams.loader import Loader
from bcsim.rtl.streams.output import Output
from bcsim.rtl.streams.weight_loader import WeightLoader

__all__ = ["Accelerator", "MonitorSignature"]

FLUSH = {"valid": 1, "last_digit": 1, "last": 1}
"""A step that ends a tile: it leaves the array's sums cleared."""


class MonitorSignature(wiring.Signature):
    """The write port of the activation memory, for benches; synthesis drops it where nothing reads it.

    Members
    -------
    write_enable, write_address, write_data : Out
        As in WriteSignature.
    """

    def __init__(self, machine: Machine) -> None:
        write = WriteSignature(machine).members
        super().__init__({f"write_{name}": member for name, member in write.items()})


class Accelerator(wiring.Component):
    """The whole machine of docs/machine.md, cycle for cycle.

    Parameters
    ----------
    machine : Machine
    image : Image or None
        What the memories hold when the clock starts; without one a program comes over the bus, which takes a machine
        with `loading`, else ValueError is raised.
    autostart : bool or None
        Run without being told to; None means where there is an image.

    Members
    -------
    s_axis : In(StreamSignature(machine.input_bytes, keep))
        Images, one value a byte, TLAST with an image's last word.
    m_axis : Out(StreamSignature(4))
        The scores in class order, then the class with TLAST.
    s_axis_weights : In(StreamSignature(machine.weight_stream_bytes))
        Only where weights can stream: an image's, TLAST with the last word.
    s_axil : In(LiteSignature(16))
        The registers of register_map.py.
    interrupt : Out(1)
        An image was sent or an error noted, where CONTROL lets it rise.
    monitor : Out(MonitorSignature(machine))
    """

    def __init__(
        self, machine: Machine, image: Image | None = None, *, autostart: bool | None = None
    ) -> None:
        require_machine(machine)
        if image is None and not machine.loading:
            raise ValueError("Machine parameter loading must be true where there is no program to build in")
        self.machine = machine
        self.image = image
        self.autostart = image is not None if autostart is None else autostart
        super().__init__(
            {
                "s_axis": In(StreamSignature(size=machine.input_bytes, keep=True)),
                "m_axis": Out(StreamSignature(size=4)),
                **(
                    {"s_axis_weights": In(StreamSignature(size=machine.weight_stream_bytes))}
                    if machine.weight_stream_bytes
                    else {}
                ),
                "s_axil": In(LiteSignature(address_bits=ADDRESS_BITS)),
                "interrupt": Out(1),
                "monitor": Out(MonitorSignature(machine)),
            }
        )
        checksum = program_checksum(machine, image) if image else 0
        self._registers = Registers(machine, autostart=self.autostart, checksum=checksum)
        self._issue, self._drain = IssueWalker(machine), DrainWalker(machine)
        self._loader, self._output = Loader(machine), Output(machine)
        self._array, self._writer = Array(machine), DrainWriter(machine)
        self._weight_loader = WeightLoader(machine) if machine.weight_stream_bytes else None
        self._requantisers = [Requantiser(machine) for _ in range(machine.drains * machine.requantisers)]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stopped = Signal()
        # The array and the requantisers clear themselves: a reset would cost a LUT a bit beside their own.
        m.submodules.registers = self._registers
        m.submodules.array = self._array
        for index, requantiser in enumerate(self._requantisers):
            m.submodules[f"requantiser_{index}"] = requantiser
        m.submodules.issue = ResetInserter(stopped)(self._issue)
        m.submodules.drain = ResetInserter(stopped)(self._drain)
        m.submodules.drain_writer = ResetInserter(stopped)(self._writer)
        m.submodules.loader = ResetInserter(stopped)(self._loader)
        m.submodules.output = ResetInserter(stopped)(self._output)
        if self._weight_loader:
            m.submodules.weight_loader = ResetInserter(stopped)(self._weight_loader)
        m.d.comb += stopped.eq(~self._registers.running)
        self._connect_memories(m)
        self._connect_activations(m)
        self._connect_array(m, stopped)
        self._connect_streams(m, stopped)
        self._connect_registers(m)
        return m

    def _connect_memories(self, m: Module) -> None:
        """The program memories: their contents, who reads them, and the bus that writes them."""
        stream, *rest = program_memories(self.machine, self.image)
        bus = self.machine.loading
        # Records of convolutions would take as many blocks as they have LUTs by the hundred.
        records = () if self.machine.spatial else (ProgramMemory.ISSUE, ProgramMemory.DRAIN)
        m.submodules.stream_record = record = LoadedRegister(
            width=stream.width, init=sum(stream.words), loads=bus
        )
        streamed = ProgramMemory.WEIGHTS if self._weight_loader else None
        issue, drain, weights, *parameters = memories = [
            LoadedMemory(
                width=memory.width,
                depth=memory.depth,
                init=memory.words,
                unit=memory.unit,
                loads=bus or number == streamed,
                parity=self.machine.parity,
                block=number in records,
            )
            for number, memory in enumerate(rest, start=1)
        ]
        m.submodules.issue_memory, m.submodules.drain_memory = issue, drain
        m.submodules.weight_memory = weights
        if self._weight_loader:
            self._stream_weights(m, self._weight_loader, weights, parameters.pop(), record)
        if bus:
            self._load_program(m, record, memories)
        if self.machine.parity:
            m.d.comb += self._registers.fault.eq(Cat(memory.fault for memory in memories).any())
        m.d.comb += [
            self._registers.fingerprint.eq(View(stream_layout(self.machine), record.data).fingerprint),
            self._loader.record.eq(record.data),
            self._output.record.eq(record.data),
            issue.address.eq(self._issue.record_address),
            self._issue.record.eq(issue.data),
            drain.address.eq(self._drain.record_address),
            self._drain.record.eq(drain.data),
            self._array.weights.eq(weights.data),
        ]
        # The array takes the weights one cycle behind the activations, on whose way there are as many more registers.
        further = pipeline_stages(self.machine)[0]
        m.d.sync += [
            weights.address.eq(delayed(m, self._issue.weight_address, further, "weight_address")),
            weights.enable.eq(delayed(m, self._issue.weight_enable, further, "weight_enable")),
        ]
        # A second position's requantisers divide by the same words; only the first one's search.
        address = Signal.like(self._drain.parameter_address)
        m.d.comb += address.eq(self._drain.parameter_address + Mux(self._drain.select, self._drain.probe, 0))
        for index, (memory, requantiser) in enumerate(zip(parameters, self._requantisers, strict=False)):
            m.submodules[f"parameter_memory_{index}"] = memory
            m.d.comb += [
                memory.address.eq(Cat(self._drain.parameter_odd, address + requantiser.found)),
                memory.enable.eq(self._drain.parameter_enable),
                *(unit.parameter.eq(memory.data) for unit in self._requantisers[index :: len(parameters)]),
            ]

    def _load_program(self, m: Module, record: LoadedRegister, memories: Sequence[LoadedMemory]) -> None:
        """The bus's way into the memories; where weights can stream, it has theirs while the machine is stopped."""
        program = self._registers.program
        loads = [record.load, *(memory.load for memory in memories)]
        loads[ProgramMemory.WEIGHTS] = self._late_load(m, memories[ProgramMemory.WEIGHTS - 1])
        if self._weight_loader:
            loads[ProgramMemory.WEIGHTS] = self._share_weights(
                m, self._weight_loader, loads[ProgramMemory.WEIGHTS]
            )
        for load, enable in zip(loads, program.enable, strict=True):
            m.d.comb += [
                load.slices.eq(Mux(enable, program.slices, 0)),
                load.address.eq(program.address),
                load.data.eq(program.data.replicate(len(load.data) // SLICE_BITS)),
            ]

    def _late_load(self, m: Module, weights: LoadedMemory) -> PureInterface:
        """Where weights are written: as many registers before their memory as the addresses of reads have."""
        further = pipeline_stages(self.machine)[0]
        if not further:
            return weights.load
        load = flipped(weights.load.signature.flip().create())
        for name in load.signature.members:
            m.d.comb += getattr(weights.load, name).eq(
                delayed(m, getattr(load, name), further, f"weight_load_{name}")
            )
        return load

    def _share_weights(self, m: Module, loader: WeightLoader, load: PureInterface) -> PureInterface:
        """Where the bus writes weights."""
        bus = load.signature.create()
        for name in bus.signature.members:
            of_bus, of_stream = getattr(bus, name), getattr(loader.write, name)
            m.d.comb += getattr(load, name).eq(Mux(bus.slices.any(), of_bus, of_stream))
        return bus

    def _stream_weights(
        self,
        m: Module,
        loader: WeightLoader,
        weights: LoadedMemory,
        records: LoadedMemory,
        program: LoadedRegister,
    ) -> None:
        """Connect the weight loader."""
        issue, registers, axis, stream = self._issue, self._registers, self.s_axis_weights, loader.stream
        m.submodules.weight_stream_memory = records
        if not self.machine.loading:
            connect(m, loader.write, self._late_load(m, weights))
        m.d.comb += [
            records.address.eq(loader.record_address),
            loader.record.eq(records.data),
            loader.program.eq(program.data),
            stream.tdata.eq(axis.tdata),
            stream.tlast.eq(axis.tlast),
            stream.tvalid.eq(axis.tvalid & registers.running),
            axis.tready.eq(stream.tready & registers.running),
            issue.tiles_arrived.eq(loader.arrived),
            loader.release.eq(issue.release_tile),
            registers.bad_weights.eq(loader.bad_length),
            registers.events.waits_weights.eq(issue.waits_weights),
        ]

    def _connect_activations(self, m: Module) -> None:
        """The activation memory between loader, array and drain."""
        m.submodules.write_arbiter = arbiter = WriteArbiter(self.machine)
        m.submodules.activation_memory = activations = ActivationMemory(self.machine)
        connect(m, self._writer.write, arbiter.drain)
        connect(m, self._loader.write, arbiter.loader)
        m.d.comb += [
            self._loader.write_ready.eq(arbiter.loader_ready),
            *([arbiter.reading.eq(self._issue.reading)] if self.machine.activation_banks > 1 else []),
            activations.read_enable.eq(self._issue.step.valid),
            activations.read_address.eq(self._issue.activation_address),
            self._array.activation.eq(activations.read_data),
        ]
        if self.machine.spatial:
            m.submodules.padding = padding = Padding(self.machine)
            m.d.comb += [
                activations.read_enable.eq(self._issue.step.valid & ~self._issue.pad),
                padding.pad.eq(self._issue.pad),
                padding.digit.eq(self._issue.pad_digit),
                padding.words.eq(activations.read_data),
                self._array.activation.eq(padding.padded),
            ]
        for name in ("write_enable", "write_address", "write_data"):
            write = getattr(arbiter, name)
            m.d.comb += [getattr(activations, name).eq(write), getattr(self.monitor, name).eq(write)]

    def _connect_array(self, m: Module, stopped: Signal) -> None:
        """Steps in, tiles to the requantisers, values to the writer."""
        array, drain, writer = self._array, self._drain, self._writer
        layout = StepLayout(self.machine.reuse)
        read, fetched = Signal(layout), Signal(layout)
        with m.If(stopped):
            m.d.sync += [read.eq(0), fetched.eq(0)]
        with m.Else():
            m.d.sync += [read.eq(self._issue.step), fetched.eq(read)]
        m.d.comb += [
            array.step.eq(Mux(self._registers.flush, layout.const(FLUSH), fetched)),
            array.shift.eq(drain.shift),
            drain.tile.eq(array.tile),
            writer.done.eq(drain.write),
            writer.place.eq(drain.place),
        ]
        if self.machine.drains > 1:
            m.d.comb += array.alone.eq(drain.alone)
        if self.machine.reuse > 1:
            m.d.comb += [array.onward.eq(drain.onward), drain.positions.eq(array.positions)]
        for index, requantiser in enumerate(self._requantisers):
            m.d.comb += [
                requantiser.accumulator.eq(array.drained[index]),
                requantiser.load.eq(drain.load),
                requantiser.step.eq(drain.step),
                requantiser.done.eq(drain.done),
                requantiser.search.eq(drain.search),
                requantiser.probe.eq(drain.probe),
                writer.values[index].eq(requantiser.q),
            ]
            if index < self.machine.requantisers:
                m.d.comb += self._output.values[index].eq(requantiser.q)
            if self.machine.spatial:
                m.d.comb += requantiser.pool.eq(drain.pool)

    def _connect_streams(self, m: Module, stopped: Signal) -> None:
        """Input and output, and the images and scores that they and the issue walker agree on."""
        loader, output, issue = self._loader, self._output, self._issue
        stream = loader.stream
        connect(m, flipped(self.m_axis), output.stream)
        m.d.comb += [
            stream.tdata.eq(self.s_axis.tdata),
            stream.tkeep.eq(self.s_axis.tkeep),
            stream.tlast.eq(self.s_axis.tlast),
            stream.tvalid.eq(self.s_axis.tvalid & ~stopped),
            self.s_axis.tready.eq(stream.tready & ~stopped),
            loader.release.eq(issue.release),
            issue.loaded.eq(loader.loaded),
            issue.output_free.eq(output.free),
            output.reserve.eq(issue.reserve),
            output.write.eq(self._writer.score_write),
            output.last.eq(self._writer.score_last),
        ]
        if self.machine.batch > 1:
            m.d.comb += output.turn.eq(self._writer.score_turn)

    def _connect_registers(self, m: Module) -> None:
        registers, issue, events = self._registers, self._issue, self._registers.events
        unsent = self.m_axis.tvalid & ~self.m_axis.tready
        answered = self._output.emptied if self.machine.batch > 1 else self._output.sent
        late = self.machine.weight_stream_bytes and issue.waits_weights & ~self.s_axis_weights.tvalid
        connect(m, flipped(self.s_axil), registers.bus)
        m.submodules.unanswered = unanswered = Unanswered()
        m.d.comb += [
            unanswered.running.eq(registers.running),
            unanswered.read.eq(issue.release),
            unanswered.answered.eq(answered),
            self.interrupt.eq(registers.interrupt),
            registers.bad_length.eq(self._loader.bad_length),
            registers.waits_host.eq((issue.waits_input & ~unanswered.owed) | unsent | late),
            registers.loaded.eq(self._loader.loaded),
            registers.output_free.eq(self._output.free),
            events.accepted.eq(self.s_axis.tvalid & self.s_axis.tready),
            events.sent.eq(self._output.sent),
            events.step.eq(issue.step.valid),
            events.waits_input.eq(issue.waits_input),
            events.waits_output.eq(issue.waits_output),
            events.waits_drain.eq(issue.waits_drain),
        ]
