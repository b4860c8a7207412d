# amaranth: UnusedElaboratable=no
"""The loader: words and their cycles, wrong lengths, buffers."""

import random

import pytest
from amaranth.sim import Simulator

from bcsim.machine.parameters import Machine
from bcsim.machine.record_parts import LoadFields, StreamFields, fields_of
from bcsim.machine.records import pack
from bcsim.rtl.streams.loader import Loader, image_words


def record(
    beats: int, digits: int, base: int = 3, base_odd: int = 40, position_beats: int | None = None
) -> int:
    spatial = {} if position_beats is None else {"position_beats": position_beats - 1}
    return pack(
        fields_of(StreamFields) + (fields_of(LoadFields) if spatial else ()),
        beats=beats - 1,
        digits=digits - 1,
        base=base,
        base_odd=base_odd,
        classes=0,
        positive=0,
        fingerprint=0,
        **spatial,
    )


class Run:
    """A loader fed from a list of (values, last) words.

    offers : probability that a word is offered in a cycle, once the word before has been accepted.
    busy : probability that the write port is taken in a cycle.
    hold : cycles that an image is looked at before it is released.
    """

    def __init__(self, machine, word, beats, *, offers=1.0, busy=0.0, hold=0, cycles=400, seed=0):
        self.machine, self.word, self.beats = machine, word, beats
        self.offers, self.busy, self.hold, self.cycles = offers, busy, hold, cycles
        self.rng = random.Random(seed)
        self.accepted, self.writes, self.errors, self.ready = [], [], [], []
        self.releases, self.free = [], []
        self.simulate()

    def simulate(self):
        dut = Loader(self.machine)
        sim = Simulator(dut)
        sim.add_clock(1e-6)

        async def bench(ctx):
            await self.bench(ctx, dut)

        sim.add_testbench(bench)
        sim.run()

    async def bench(self, ctx, dut):
        ctx.set(dut.record, dut.record.shape().from_bits(self.word))
        queue, offered, age = list(self.beats), False, 0
        for cycle in range(self.cycles):
            offered = offered or (bool(queue) and self.rng.random() < self.offers)
            ctx.set(dut.stream.tvalid, int(offered))
            if offered:
                self.offer(ctx, dut, *queue[0])
            free = self.rng.random() >= self.busy
            ctx.set(dut.write_ready, int(free))
            age = age + 1 if ctx.get(dut.loaded) else 0
            release = age > self.hold
            ctx.set(dut.release, int(release))
            self.ready.append(bool(ctx.get(dut.stream.tready)))
            self.free.append(free)
            if offered and self.ready[-1]:
                self.accepted.append(cycle)
                queue.pop(0)
                offered = False
            if ctx.get(dut.bad_length):
                self.errors.append(cycle)
            if ctx.get(dut.write.enable):
                assert ctx.get(dut.write.enable) == (1 << self.machine.groups) - 1
                if free:
                    self.writes.append((cycle, ctx.get(dut.write.address), ctx.get(dut.write.data)))
            if release:
                self.releases.append(cycle)
                age = 0
            await ctx.tick()

    def offer(self, ctx, dut, values, last):
        size = self.machine.input_bytes
        keep = (1 << len(values)) - 1
        junk = [self.rng.randrange(256) for _ in range(size - len(values))]
        ctx.set(dut.stream.tdata, int.from_bytes([*values, *junk], "little"))
        ctx.set(dut.stream.tkeep, keep)
        ctx.set(dut.stream.tlast, int(last))


def beats_of(values: list[int], size: int) -> list[tuple[list[int], bool]]:
    starts = range(0, len(values), size)
    return [(values[start : start + size], start + size >= len(values)) for start in starts]


@pytest.mark.parametrize("seed", range(16))
def test_images_become_words_in_their_regions_and_cycles(seed):
    rng = random.Random(seed)
    lanes, size = rng.choice([(2, 1), (2, 2), (6, 2), (8, 1), (8, 8), (12, 4)])
    digit = rng.choice([1, 2, 4, 8])
    bits = rng.randrange(digit, 9)
    machine = Machine(
        lanes=lanes, pes=2, requantisers=rng.choice([1, 2]), digit=digit, activation_bits=bits,
        input_bytes=size, input_buffers=1 + seed % 2,
    )  # fmt: skip
    inputs, digits = rng.randrange(1, 3 * lanes + 1), -(-bits // digit)
    images = [[rng.randrange(1 << bits) for _ in range(inputs)] for _ in range(4)]
    beats = [beat for image in images for beat in beats_of(image, size)]
    run = Run(
        machine, record(len(beats) // 4, digits), beats,
        offers=rng.choice([0.3, 1]), busy=rng.choice([0, 0.4]), hold=rng.choice([0, 1, 30]), seed=seed,
    )  # fmt: skip
    words = [image_words(image, lanes=lanes, digits=digits, digit=digit) for image in images]
    bases = [40 if machine.input_buffers == 2 and index % 2 else 3 for index in range(4)]
    expected = [
        (base + n, word) for base, image in zip(bases, words, strict=True) for n, word in enumerate(image)
    ]
    assert [write[1:] for write in run.writes] == expected
    assert run.errors == []
    assert len(run.accepted) == len(beats)
    check_cycles(run, machine, len(beats) // 4, digits)


@pytest.mark.parametrize("seed", range(12))
def test_every_position_begins_with_a_new_word(seed):
    rng = random.Random(seed)
    lanes, size = rng.choice([(2, 1), (2, 2), (6, 2), (8, 8), (12, 4)])
    machine = Machine(
        lanes=lanes, pes=2, requantisers=2, digit=4, activation_bits=8, input_bytes=size, spatial=True
    )  # fmt: skip
    channels, positions = rng.randrange(1, 2 * lanes + 2), rng.randrange(1, 5)
    images = [[[rng.randrange(256) for _ in range(channels)] for _ in range(positions)] for _ in range(3)]
    beats = []
    for image in images:
        parts = [values for position in image for values, _ in beats_of(position, size)]
        beats += [(values, index == len(parts) - 1) for index, values in enumerate(parts)]
    short = beats[: len(beats) // 3 - 1]
    if short:
        beats[:0] = [*short[:-1], (short[-1][0], True)]
    per_image, per_position = len(parts), len(parts) // positions
    word = record(per_image, 2, position_beats=per_position)
    run = Run(machine, word, beats, offers=rng.choice([0.4, 1]), busy=rng.choice([0, 0.4]), seed=seed)
    expected = []
    for index, image in enumerate(images):
        words = [w for position in image for w in image_words(position, lanes=lanes, digits=2, digit=4)]
        expected += [((3, 40)[index % 2] + n, word) for n, word in enumerate(words)]
    assert [write[1:] for write in run.writes][-len(expected) :] == expected
    assert len(run.errors) == bool(short)
    if not short:
        check_cycles(run, machine, per_image, 2, per_position)


def check_cycles(
    run: Run, machine: Machine, per_image: int, digits: int, per_position: int | None = None
) -> None:
    """Ready and the writes' cycles, by the rules of docs/machine.md."""
    per_chunk = machine.lanes // machine.input_bytes
    writes, ready = iter(run.writes), [True] * run.cycles
    for index, cycle in enumerate(run.accepted):
        image, beat = divmod(index, per_image)
        in_position = beat % (per_position or per_image) + 1
        if in_position % per_chunk and in_position < (per_position or per_image):
            continue
        at = cycle
        for _ in range(digits):
            at = next(c for c in range(at + 1, run.cycles) if run.free[c])
            assert next(writes)[0] == at
        ready[cycle + 1 : at + 1] = [False] * (at - cycle)
        if beat + 1 == per_image and image + 1 >= machine.input_buffers:
            freed = run.releases[image + 1 - machine.input_buffers]
            ready[at + 1 : freed + 1] = [False] * (freed - at)
    assert run.ready == ready


MACHINE = Machine(lanes=4, pes=2, requantisers=2, digit=4, input_bytes=2)


def check_only_whole(images: list[list[int]], errors: int) -> None:
    """Of images for a record of 6 values only the whole ones are kept, in turn in both regions."""
    beats = [beat for image in images for beat in beats_of(image, 2)]
    run = Run(MACHINE, record(3, 2), beats)
    final = {address: word for _, address, word in run.writes}
    whole = [image for image in images if len(image) == 6]
    for image, base in zip(
        whole[-2:], ([3, 40] if len(whole) % 2 == 0 else [40, 3])[-len(whole) :], strict=True
    ):
        words = image_words(image, lanes=4, digits=2, digit=4)
        assert [final[base + n] for n in range(4)] == words
    assert len(run.errors) == errors
    assert len(run.releases) == len(whole)
    assert len(run.accepted) == len(beats)


GOOD = [[1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16]]


@pytest.mark.parametrize("short", [[7, 7], [7, 7, 7, 7]])
def test_a_short_image_is_dropped(short):
    check_only_whole([short, GOOD[0], short, short, GOOD[1]], errors=3)


@pytest.mark.parametrize("size", [8, 10, 16])
def test_a_long_image_is_dropped_up_to_its_last_word(size):
    check_only_whole([[9] * size, GOOD[0], [9] * size, GOOD[1]], errors=2)


def test_null_bytes_count_as_zero():
    beats = [([], False), ([5], False), ([6], True)]
    run = Run(MACHINE, record(3, 2), beats)
    assert [write[1:] for write in run.writes[:4]] == [
        (3 + n, word) for n, word in enumerate(image_words([0, 0, 5, 0, 6], lanes=4, digits=2, digit=4))
    ]


def test_the_machine_is_checked():
    with pytest.raises(TypeError, match=r"^Machine must be a Machine, not 'tiny'$"):
        Loader("tiny")
