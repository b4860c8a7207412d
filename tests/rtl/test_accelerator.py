# amaranth: UnusedElaboratable=no
"""The accelerator against the simulator: every write and output word in its cycle."""

from dataclasses import replace

import numpy as np
import pytest

from bcsim.compiler.mapping.mapping import map_program
from bcsim.compiler.program.layers import Divide
from bcsim.execution.execute import execute
from bcsim.machine.parameters import FORMS, SURROUNDINGS, Machine
from bcsim.machine.record_parts import StreamFields, fields_of
from bcsim.machine.records import pack, unpack
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.bus.program_image import load_writes, program_memories
from bcsim.rtl.bus.registers import SETTLE
from bcsim.rtl.common import loaded_memory
from bcsim.rtl.common.loaded_memory import with_parity
from bcsim.rtl.common.register_map import Control, Error, Register, Status
from bcsim.simulator.pauses import Pauses
from bcsim.simulator.simulator import run_machine, stream_values
from tests.conv_programs import random_conv_program
from tests.programs import random_images, random_machine, random_program
from tests.rtl.bench import Bench, expected

IMAGES = 3
CONV_SEEDS = (301, 304, 305, 308, 312, 316, 329, 331, 334, 335, 343, 346, 350, 357)


def random_surroundings(rng: np.random.Generator, machine: Machine) -> Machine:
    """The machine without some of what it can be built without, in any form."""
    return replace(machine, **{name: bool(rng.integers(2)) for name in (*SURROUNDINGS, *FORMS)})


class Case:
    """A random program on a random machine, with images."""

    def __init__(self, seed: int, machine: Machine | None = None, images: int = IMAGES, **sizes: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.program = random_program(self.rng, **({"largest": 16, "layers": 3} | sizes))
        self.machine = machine or random_machine(self.rng)
        self.mapping = map_program(self.program, self.machine)
        self.q = random_images(self.rng, self.program, images)
        self.packets = images * (self.program.classes + 1)

    @property
    def images(self) -> list:
        """The images as the input stream has them: values, or positions of values."""
        return stream_values(self.mapping, self.q).tolist() if self.machine.spatial else self.q.tolist()

    def pauses(self, count: int) -> list[int]:
        """Mostly none, sometimes up to 9 cycles."""
        return (self.rng.integers(0, 10, count) * (self.rng.random(count) < 0.3)).tolist()

    def expected(self, gaps=None, holds=None):
        pauses = Pauses(gaps, holds)
        return expected(run_machine(self.mapping, self.q, record=len(self.q), pauses=pauses))

    def scores(self) -> list[list[int]]:
        """The packets' words by the program level."""
        run = execute(self.program, self.q)
        return [[*row, winner] for row, winner in zip(run.scores.tolist(), run.classes.tolist(), strict=True)]


class ConvCase(Case):
    """A small random network of convolutions on a random machine."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.program = random_conv_program(self.rng, layers=2, largest=4)
        self.machine = replace(random_machine(self.rng), spatial=True)
        self.mapping = map_program(self.program, self.machine)
        self.q = random_images(self.rng, self.program, IMAGES)
        self.packets = IMAGES * (self.program.classes + 1)


def packets(recording) -> list[list[int]]:
    """The data of the output words, packet by packet."""
    split: list[list[int]] = [[]]
    for _, data, last in recording.outputs:
        split[-1].append(data)
        if last:
            split.append([])
    return split[:-1]


@pytest.mark.parametrize("seed", range(100, 110))
def test_every_write_and_word_is_the_simulators(seed):
    case = Case(seed)
    assert_equal_to_simulator(case)


@pytest.mark.parametrize("seed", range(200, 210))
def test_every_write_and_word_is_the_simulators_under_gaps_and_back_pressure(seed):
    case = Case(seed)
    gaps = case.pauses(IMAGES * case.mapping.beats)
    gaps[0] = 0
    assert_equal_to_simulator(case, gaps, case.pauses(case.packets))


@pytest.mark.parametrize("seed", CONV_SEEDS)
def test_convolutions_write_as_the_simulator_does(seed):
    case = ConvCase(seed)
    gaps = case.pauses(IMAGES * case.mapping.beats) if seed % 2 else None
    assert_equal_to_simulator(case, gaps and [0, *gaps[1:]], case.pauses(case.packets) if seed % 2 else None)


def test_one_score_leaves_with_the_class_of_its_sign():
    case = Case(404, layers=1, classes=1)
    target = case.program.layers[-1].target
    middle = int(np.median(execute(case.program, random_images(case.rng, case.program, 40)).scores))
    last = replace(case.program.layers[-1], target=replace(target, offset=-target.scale * middle))
    case.program = replace(case.program, layers=(last,))
    case.mapping = map_program(case.program, case.machine)
    case.q = random_images(case.rng, case.program, 12)
    case.packets = 24
    assert {row[-1] for row in case.scores()} == {0, 1}
    assert_equal_to_simulator(case)


def assert_equal_to_simulator(case: Case, gaps=None, holds=None) -> None:
    machine = random_surroundings(case.rng, case.machine)
    bench = Bench(Accelerator(machine, case.mapping.image))

    async def script(ctx):
        recording = await bench.play(ctx, case.images, case.packets, gaps, holds)
        wanted = case.expected(gaps, holds)
        assert wanted.outputs
        assert recording == wanted
        assert packets(recording) == case.scores()

    bench.run(script)


def test_a_machine_that_cannot_be_loaded_needs_a_program():
    with pytest.raises(
        ValueError, match=r"^Machine parameter loading must be true where there is no program"
    ):
        Accelerator(Machine(loading=False))


async def load(ctx, bench: Bench, image) -> None:
    for address, data in load_writes(bench.machine, image):
        assert await bench.bus.write(ctx, address, data) == 0


def test_a_program_comes_over_the_bus_and_another_one_after_it():
    machine = Machine(
        lanes=4, pes=6, digit=2, requantisers=2, fraction_bits=8, shift_planes=True, input_bytes=2
    )
    cases = [Case(seed, machine, largest=10) for seed in (1, 2, 3)]
    bench = Bench(Accelerator(machine))

    async def script(ctx):
        for case in cases:
            await load(ctx, bench, case.mapping.image)
            await bench.bus.write(ctx, Register.CONTROL, Control.RUN)
            await ctx.tick().repeat(SETTLE)
            recording = await bench.play(ctx, case.images, case.packets)
            assert recording == case.expected()
            await bench.bus.write(ctx, Register.CONTROL, 0)
            await ctx.tick().repeat(SETTLE)

    bench.run(script)


@pytest.mark.parametrize("after", [3, 17, 40, 61, 90, 133])
def test_a_reset_in_mid_image_leaves_nothing_behind(after):
    case = Case(7)
    assert run_machine(case.mapping, case.q).cycles > 133
    assert_reset_forgets(case, after)


@pytest.mark.parametrize("after", [40, 77, 130, 181, 240])
def test_a_reset_in_mid_window_leaves_nothing_behind(after):
    case = ConvCase(305)
    assert run_machine(case.mapping, case.q).schedules[0].end > 240
    assert case.mapping.nests[0].window == 4
    assert_reset_forgets(case, after)


@pytest.mark.parametrize("before", [2, 3, 4, 5])
def test_a_reset_in_mid_division_leaves_nothing_behind(before):
    """With a divisor below 2**fraction_bits every bit left in a remainder shows in the next image's scores."""
    case = Case(3, layers=1, largest=12)
    layer = case.program.layers[0]
    ones = np.ones(layer.outputs, dtype=np.int64)
    thirds = Divide(16, 6, ones * (layer.low << 6), ones * 3)
    case.program = replace(case.program, layers=(replace(layer, requantiser=thirds),))
    case.mapping = map_program(case.program, case.machine)
    first_round = run_machine(case.mapping, case.q).schedules[0].round_writes[0][0]
    assert_reset_forgets(case, int(first_round) - before)


def assert_reset_forgets(case: Case, after: int) -> None:
    """Stop `after` cycles, start over, and compare with a run from the beginning."""
    bench = Bench(Accelerator(case.machine, case.mapping.image))

    async def script(ctx):
        await ctx.tick().repeat(3)
        words = bench.words(case.images)
        partial = await bench.stream(ctx, words, [0] * len(words), [0] * case.packets, after)
        assert len(partial.outputs) < case.packets
        await bench.bus.write(ctx, Register.CONTROL, Control.RUN | Control.RESET)
        await ctx.tick().repeat(SETTLE)
        recording = await bench.play(ctx, case.images, case.packets)
        assert recording == case.expected()

    bench.run(script)


def test_the_counters_are_the_simulators():
    case = Case(5)
    bench = Bench(Accelerator(case.machine, case.mapping.image))
    run = run_machine(case.mapping, case.q)

    async def script(ctx):
        await bench.play(ctx, case.images, case.packets)
        assert await bench.bus.value(ctx, Register.CYCLES) == run.cycles
        assert await bench.bus.value(ctx, Register.IMAGES) == IMAGES
        steps = sum(nest.tiles * nest.steps_per_tile for nest in case.mapping.nests)
        assert await bench.bus.value(ctx, Register.STEPS) == IMAGES * steps
        assert await bench.bus.value(ctx, Register.STATUS) == Status.RUNNING | Status.OUTPUT_FREE
        assert await bench.bus.value(ctx, Register.ERRORS) == 0

    bench.run(script)


def test_images_of_a_wrong_length_are_dropped_and_flagged():
    case = Case(11, images=2)
    bench = Bench(Accelerator(case.machine, case.mapping.image))
    size = case.machine.input_bytes
    assert case.mapping.beats > 1
    short = [1] * size * (case.mapping.beats - 1)
    long = [2] * size * (case.mapping.beats + 1)

    async def script(ctx):
        first, second = case.q.tolist()
        recording = await bench.play(ctx, [short, first, long, short, second], case.packets)
        assert packets(recording) == case.scores()
        assert await bench.bus.value(ctx, Register.ERRORS) == Error.IMAGE_LENGTH
        assert await bench.bus.value(ctx, Register.IMAGES) == 2

    bench.run(script)


@pytest.mark.parametrize("flipped", [None, "issue", "drain", "weights", "parameters"])
def test_a_bit_flipped_in_a_program_memory_is_told(flipped, monkeypatch):
    machine = Machine(
        lanes=4, pes=6, digit=2, requantisers=2, fraction_bits=8, shift_planes=True, parity=True
    )
    case = Case(2, replace(machine, input_bytes=2), largest=10)
    widths = [memory.width for memory in program_memories(case.machine)]
    names = dict(zip(("stream", "issue", "drain", "weights", "parameters"), widths, strict=False))
    assert len(set(names.values())) == len(names)

    def stored(word: int, width: int) -> int:
        return with_parity(word, width) ^ (width == names.get(flipped)) << 3

    monkeypatch.setattr(loaded_memory, "with_parity", stored)
    bench = Bench(Accelerator(case.machine, case.mapping.image))

    async def script(ctx):
        await ctx.tick().repeat(3)
        words = bench.words(case.images)
        await bench.stream(ctx, words, [0] * len(words), [0] * case.packets, 600)
        assert await bench.bus.value(ctx, Register.ERRORS) == (Error.PARITY if flipped else 0)

    bench.run(script)


def test_a_program_for_another_machine_does_not_start():
    case = Case(12)
    fields = unpack(fields_of(StreamFields), case.mapping.image.stream)
    fields["fingerprint"] ^= 1
    image = replace(case.mapping.image, stream=pack(fields_of(StreamFields), **fields))
    bench = Bench(Accelerator(case.machine, image))

    async def script(ctx):
        ctx.set(bench.dut.s_axis.tvalid, 1)
        for _ in range(100):
            assert not ctx.get(bench.dut.s_axis.tready)
            await ctx.tick()
        assert await bench.bus.value(ctx, Register.STATUS) & Status.RUNNING == 0
        assert await bench.bus.value(ctx, Register.ERRORS) == Error.FINGERPRINT

    bench.run(script)


def test_an_image_does_not_start_by_itself_where_it_should_not():
    case = Case(13)
    bench = Bench(Accelerator(case.machine, case.mapping.image, autostart=False))

    async def script(ctx):
        await ctx.tick().repeat(10)
        assert not ctx.get(bench.dut.s_axis.tready)
        await bench.bus.write(ctx, Register.CONTROL, Control.RUN)
        recording = await bench.play(ctx, case.images, case.packets)
        assert recording == case.expected()

    bench.run(script)


def test_the_machine_is_checked():
    with pytest.raises(TypeError, match=r"^Machine must be a Machine, not 'small'$"):
        Accelerator("small")
