# amaranth: UnusedElaboratable=no
"""The accelerator with a weight stream: counters, resets in mid tile, packets of a wrong length, Verilog."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bcsim.machine.parameters import PRESETS, parse_machine
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.bench.simulator import lint
from bcsim.rtl.bus.program_image import load_writes
from bcsim.rtl.bus.registers import SETTLE
from bcsim.rtl.common.loaded_memory import slices
from bcsim.rtl.common.register_map import Control, Error, ProgramMemory, Register
from bcsim.rtl.generate.ports import ports_table
from bcsim.rtl.generate.vectors import weight_words
from bcsim.rtl.generate.verilog import to_verilog
from bcsim.rtl.tools.synthesis import count_multipliers
from bcsim.simulator.pauses import Pauses
from bcsim.simulator.simulator import run_machine, stream_values
from tests.programs import random_images
from tests.rtl.bench import Bench, expected
from tests.streaming import random_gaps, streamed_network

IMAGES = 3
LINT = Path(__file__).parents[2] / "rtl" / "bench" / "lint.vlt"


class Case:
    """A random streamed network, images, and a source of weights that pauses."""

    def __init__(self, seed: int, *, spatial: bool) -> None:
        self.rng = np.random.default_rng(seed)
        self.mapping = streamed_network(seed, spatial=spatial)
        self.machine, self.program = self.mapping.machine, self.mapping.program
        self.q = random_images(self.rng, self.program, IMAGES)
        self.packets = IMAGES * (self.program.classes + 1)
        data, last = weight_words(self.mapping)
        self.gaps = random_gaps(self.rng, IMAGES * len(data), 6).tolist()
        words = [
            (int.from_bytes(row.tobytes(), "little"), bool(end)) for row, end in zip(data, last, strict=True)
        ]
        self.weights = [(*word, gap) for word, gap in zip(words * IMAGES, self.gaps, strict=True)]
        values = stream_values(self.mapping, self.q).tolist()
        self.images = values if self.machine.spatial else self.q.tolist()
        self.run = run_machine(self.mapping, self.q, record=IMAGES, pauses=Pauses(weight_gaps=self.gaps))


@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("seed", range(700, 705))
def test_writes_words_and_counters_are_the_simulators(seed, spatial):
    case = Case(seed, spatial=spatial)
    bench = Bench(Accelerator(case.machine, case.mapping.image))

    async def script(ctx):
        recording = await bench.play(ctx, case.images, case.packets, weights=case.weights)
        assert recording == expected(case.run)
        assert await bench.bus.value(ctx, Register.CYCLES) == case.run.cycles
        stalls = case.run.lane_cycles["weight_load"] // case.machine.slots
        assert await bench.bus.value(ctx, Register.STALL_WEIGHTS) == stalls
        assert await bench.bus.value(ctx, Register.ERRORS) == 0

    bench.run(script)


@pytest.mark.parametrize("after", [7, 30, 61, 110, 171])
def test_a_reset_in_mid_tile_leaves_nothing_behind(after):
    case = Case(702, spatial=True)
    assert case.run.schedules[0].end > 171
    bench = Bench(Accelerator(case.machine, case.mapping.image))

    async def script(ctx):
        await ctx.tick().repeat(3)
        words = bench.words(case.images)
        partial = await bench.stream(ctx, words, [0] * len(words), [0] * case.packets, after, case.weights)
        assert len(partial.outputs) < case.packets
        await bench.bus.write(ctx, Register.CONTROL, Control.RUN | Control.RESET)
        await ctx.tick().repeat(SETTLE)
        recording = await bench.play(ctx, case.images, case.packets, weights=case.weights)
        assert recording == expected(case.run)

    bench.run(script)


@pytest.mark.parametrize("offset", [-1, 1])
def test_a_packet_of_a_wrong_length_is_flagged_and_no_class_follows(offset):
    """The second image's TLAST comes a word early or late: the first image's class is sent, no other."""
    case = Case(703, spatial=False)
    per_image = len(case.weights) // IMAGES
    ends = {per_image - 1, 2 * per_image - 1 + offset, 3 * per_image - 1}
    wrong = [(data, index in ends, 0) for index, (data, _, _) in enumerate(case.weights)]
    bench = Bench(Accelerator(case.machine, case.mapping.image))

    async def script(ctx):
        words = bench.words(case.images)
        limit = 4 * case.run.cycles
        recording = await bench.stream(ctx, words, [0] * len(words), [0] * case.packets, limit, wrong)
        assert len(recording.outputs) == case.packets // IMAGES
        assert [word[1] for word in recording.outputs] == case.run.outputs.data[
            : case.packets // IMAGES
        ].tolist()
        assert await bench.bus.value(ctx, Register.ERRORS) == Error.WEIGHT_LENGTH
        await bench.bus.write(ctx, Register.CONTROL, Control.RUN | Control.RESET)
        await bench.bus.write(ctx, Register.ERRORS, Error.WEIGHT_LENGTH)
        await ctx.tick().repeat(SETTLE)
        again = await bench.play(ctx, case.images, case.packets, weights=case.weights)
        assert again == expected(case.run)

    bench.run(script)


def test_the_bus_loads_only_the_words_that_stay():
    case = Case(704, spatial=False)
    writes = np.array(list(load_writes(case.machine, case.mapping.image)))
    memories = np.flatnonzero(writes[:, 0] == Register.MEMORY)
    start, stop = memories[ProgramMemory.WEIGHTS : ProgramMemory.WEIGHTS + 2]
    resident = sum(nest.weight_words for nest in case.mapping.nests if not nest.streamed)
    assert stop - start - 2 == resident * slices(case.machine.slots)
    assert len(memories) == ProgramMemory.PARAMETERS + case.machine.requantisers + 1


@pytest.mark.parametrize(
    "text",
    [
        "tiny,weight_stream_bytes=16",
        "conv,lanes=4,pes=8,requantisers=2,weight_stream_bytes=1",
        "tiny,weight_stream_bytes=4,activation_banks=2",
    ],
)
def test_the_verilog_is_clean_and_multiplies_nowhere(text, tmp_path):
    verilog = to_verilog(Accelerator(parse_machine(text)), "accelerator")
    source = tmp_path / "accelerator.v"
    source.write_text(verilog.text)
    assert lint(source, "accelerator", LINT) == ""
    assert count_multipliers(source, "accelerator") == 0


def test_the_weight_streams_ports_are_described():
    machine = replace(PRESETS["tiny"], weight_stream_bytes=8)
    ports = to_verilog(Accelerator(machine), "accelerator").ports
    names = {port.name for port in ports if port.name.startswith("s_axis_weights")}
    assert names == {f"s_axis_weights_{name}" for name in ("tdata", "tlast", "tvalid", "tready")}
    row = "| `s_axis_weights_tdata` | input | 64 | Words of the weight stream, a weight word's low bits first. |"
    assert row in ports_table(ports)
    plain = to_verilog(Accelerator(PRESETS["tiny"]), "accelerator").ports
    assert {port.name for port in ports} - {port.name for port in plain} == names
