# amaranth: UnusedElaboratable=no
"""Machines that take several images at once: every write and output word in its cycle, and images that are dropped."""

from dataclasses import replace

import numpy as np
import pytest

from bcsim.compiler.mapping.mapping import map_program
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.common.register_map import Error, Register, Status
from bcsim.rtl.generate.vectors import weight_words
from bcsim.simulator.pauses import Pauses
from bcsim.simulator.simulator import run_machine
from tests.programs import random_images, random_machine, random_program
from tests.rtl.bench import Bench, expected
from tests.rtl.test_accelerator import Case, assert_equal_to_simulator, assert_reset_forgets, packets
from tests.streaming import random_gaps


class BatchCase(Case):
    """A random dense program on a random machine that takes 2 or 4 images at once, with two batches of them."""

    def __init__(
        self,
        seed: int,
        *,
        batch: int | None = None,
        streamed: bool = False,
        banks: int = 1,
        drains: int = 1,
        **sizes: int,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.program = random_program(self.rng, **({"largest": 12, "layers": 2} | sizes))
        machine, batch = random_machine(self.rng), batch or int(self.rng.choice([2, 4]))
        stream = {"weight_stream_bytes": 2, "weight_words": 16} if streamed else {}
        wide = {"pes": machine.lanes, "activation_words": 4096, "activation_banks": banks, "drains": drains}
        self.machine = replace(machine, spatial=True, reuse=4, batch=batch, **wide, **stream)
        self.mapping = map_program(self.program, self.machine)
        assert self.mapping.images == batch
        self.q = random_images(self.rng, self.program, 2 * batch)
        self.packets = 2 * batch * (self.program.classes + 1)


@pytest.mark.parametrize(
    ("seed", "banks", "drains"), [(0, 1, 1), (1, 1, 1), (3, 2, 1), (5, 1, 1), (4, 1, 2), (25, 1, 2)]
)
def test_every_write_and_word_is_the_simulators(seed, banks, drains):
    case = BatchCase(seed, banks=banks, drains=drains)
    assert drains in {nest.drains for nest in case.mapping.nests}
    gaps = case.pauses(len(case.q) * case.mapping.beats) if seed % 2 else None
    assert_equal_to_simulator(case, gaps and [0, *gaps[1:]], case.pauses(case.packets) if seed % 2 else None)


def test_scores_of_several_tiles_leave_image_by_image():
    case = BatchCase(1, batch=4, layers=1, classes=14)
    assert case.mapping.nests[-1].tiles > 2
    assert_equal_to_simulator(case)


def test_a_network_of_one_score_gives_a_class_for_every_image():
    assert_equal_to_simulator(BatchCase(3, batch=2, classes=1))


def test_streamed_weights_come_once_for_all_images_of_a_batch():
    case = BatchCase(39, batch=4, streamed=True, classes=14)
    assert any(nest.streamed and nest.tiles > 1 for nest in case.mapping.nests)
    data, last = weight_words(case.mapping)
    gaps = random_gaps(case.rng, 2 * len(data), 6).tolist()
    words = [
        (int.from_bytes(row.tobytes(), "little"), bool(end)) for row, end in zip(data, last, strict=True)
    ]
    weights = [(*word, gap) for word, gap in zip(words * 2, gaps, strict=True)]
    run = run_machine(case.mapping, case.q, record=len(case.q), pauses=Pauses(weight_gaps=gaps))
    bench = Bench(Accelerator(case.machine, case.mapping.image))

    async def script(ctx):
        assert await bench.play(ctx, case.images, case.packets, weights=weights) == expected(run)
        assert await bench.bus.value(ctx, Register.ERRORS) == 0

    bench.run(script)


@pytest.mark.parametrize("after", [60, 131])
def test_a_reset_in_mid_batch_leaves_nothing_behind(after):
    case = BatchCase(10)
    assert run_machine(case.mapping, case.q).cycles > 131
    assert_reset_forgets(case, after)


def test_a_dropped_image_leaves_its_place_in_the_batch_to_the_next_one():
    case = BatchCase(10, batch=2)
    bench = Bench(Accelerator(case.machine, case.mapping.image))
    size = case.machine.input_bytes
    assert case.mapping.nests[0].chunks > 2, "words of a dropped image are in the memory"
    short = [1] * size * (case.mapping.beats - 1)
    long = [2] * size * (case.mapping.beats + 1)

    async def script(ctx):
        first, second, third, fourth = case.images
        images = [short, first, long, short, second, third, short, fourth]
        recording = await bench.play(ctx, images, case.packets)
        assert packets(recording) == case.scores()
        assert await bench.bus.value(ctx, Register.ERRORS) == Error.IMAGE_LENGTH
        assert await bench.bus.value(ctx, Register.IMAGES) == 4
        assert await bench.bus.value(ctx, Register.STATUS) == Status.RUNNING | Status.OUTPUT_FREE

    bench.run(script)
