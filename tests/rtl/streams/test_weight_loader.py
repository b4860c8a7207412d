# amaranth: UnusedElaboratable=no
"""The weight loader: which words go where and when, slots, records, packets of a wrong length."""

import random
from dataclasses import replace

import pytest

from bcsim.machine.parameters import Machine
from bcsim.machine.record_parts import WeightStreamFields, fields_of
from bcsim.machine.records import pack, stream_fields
from bcsim.rtl.common.layouts import weight_unit
from bcsim.rtl.streams.weight_loader import WeightLoader, weight_stream_words
from tests.rtl.simulation import simulate

SLOTS = (3, 40)
WARM_UP = 2
SHAPES = (
    (2, 1, 1),
    (4, 4, 1),
    (6, 8, 1),
    (6, 9, 2),
    (8, 8, 4),
    (12, 4, 8),
    (8, 16, 8),
    (6, 6, 16),
    (32, 32, 64),
)


def machine_of(lanes: int, pes: int, size: int) -> Machine:
    return Machine(
        lanes=lanes, pes=pes, requantisers=1, input_bytes=1, weight_stream_bytes=size, weight_words=64, layers=4
    )  # fmt: skip


class Run:
    """A loader fed with words (data, last), whose tiles are held for some cycles.

    used : what the memory holds when a tile is released, by address.
    layers : (tiles, words of each) of the records. offers : probability that a word is offered in a cycle.
    """

    def __init__(self, machine, layers, words, *, offers=1.0, hold=0, cycles=600, seed=0, streams=True):
        self.machine, self.layers, self.words = machine, layers, words
        self.offers, self.hold, self.cycles, self.streams = offers, hold, cycles, streams
        self.rng = random.Random(seed)
        self.memory, self.written, self.used = {}, [], []
        self.accepted, self.releases, self.errors, self.arrived = [], [], [], []
        self.dut = WeightLoader(machine)
        simulate(self.dut, self.script)

    def records(self):
        fields, end = fields_of(WeightStreamFields), len(self.layers) - 1
        return [
            pack(fields, tiles=tiles - 1, words=words - 1, last=int(index == end))
            for index, (tiles, words) in enumerate(self.layers)
        ]

    async def script(self, ctx):
        dut, records = self.dut, self.records()
        fields = dict.fromkeys(dict(stream_fields(self.machine)), 0)
        fields |= {"streams": int(self.streams), "slot_base": SLOTS[0], "slot_base_odd": SLOTS[1]}
        ctx.set(dut.program, dut.program.shape().from_bits(pack(stream_fields(self.machine), **fields)))
        pipeline, queue, offered, age = [0, 0], list(self.words), False, 0
        for cycle in range(-WARM_UP, self.cycles):
            ctx.set(dut.record, dut.record.shape().from_bits(pipeline[0]))
            offered = offered or (bool(queue) and self.rng.random() < self.offers)
            ctx.set(dut.stream.tvalid, int(offered))
            if offered:
                ctx.set(dut.stream.tdata, queue[0][0])
                ctx.set(dut.stream.tlast, int(queue[0][1]))
            self.arrived.append(ctx.get(dut.arrived))
            age = age + 1 if self.arrived[-1] else 0
            release = age > self.hold
            ctx.set(dut.release, int(release))
            self.note(ctx, cycle)
            if release:
                self.releases.append(cycle)
                self.used.append(dict(self.memory))
                age = 0
            if ctx.get(dut.bad_length):
                self.errors.append(cycle)
            if offered and ctx.get(dut.stream.tready):
                self.accepted.append(cycle)
                queue.pop(0)
                offered = False
            pipeline = [pipeline[1], records[ctx.get(dut.record_address) % len(records)]]
            await ctx.tick()

    def note(self, ctx, cycle):
        """A write in this cycle, as the memory takes it."""
        write, unit = self.dut.write, weight_unit(self.machine)
        enables = ctx.get(write.slices)
        if not enables:
            return
        address, data = ctx.get(write.address), ctx.get(write.data)
        for index in range(enables.bit_length()):
            if enables >> index & 1:
                shift = index * 32
                piece = data >> shift % unit & 0xFFFFFFFF
                old = self.memory.get(address, 0) & ~(0xFFFFFFFF << shift)
                self.memory[address] = old | piece << shift
        self.written.append((cycle, address))


def packets(rng, machine, layers, images):
    """Weight words of the tiles, tile by tile, and the stream's words."""
    tiles = [words for count, words in layers for _ in range(count)]
    contents = [[[rng.getrandbits(machine.slots) for _ in range(n)] for n in tiles] for _ in range(images)]
    stream = []
    for image in contents:
        words = weight_stream_words([word for tile in image for word in tile], machine)
        stream += [(word, index == len(words) - 1) for index, word in enumerate(words)]
    return [tile for image in contents for tile in image], stream


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_tiles_fill_the_slots_by_turns(shape, seed):
    rng = random.Random(seed)
    machine = machine_of(*shape)
    layers = [(rng.randrange(1, 4), rng.randrange(1, 4)) for _ in range(rng.randrange(1, 4))]
    tiles, stream = packets(rng, machine, layers, 2)
    run = Run(machine, layers, stream, offers=rng.choice([0.4, 1]), hold=rng.choice([0, 9, 40]), seed=seed,
              cycles=100 + 3 * len(stream) + 45 * len(tiles))  # fmt: skip
    assert len(run.accepted) == len(stream)
    assert len(run.releases) == len(tiles)
    assert run.errors == []
    mask = (1 << machine.slots) - 1
    for index, (words, memory) in enumerate(zip(tiles, run.used, strict=True)):
        base = SLOTS[index % 2]
        assert [memory[base + offset] & mask for offset in range(len(words))] == words
    check_cycles(run, machine, tiles, layers)


def check_cycles(run, machine, tiles, layers):
    """Accepted as docs/machine.md says: with a free slot, and not behind a layer's last word; written a cycle later."""
    beats = iter(run.accepted)
    opens = {0}
    for count, _ in layers * (len(tiles) // sum(count for count, _ in layers)):
        opens.add(max(opens) + count)
    previous = None
    for index, tile in enumerate(tiles):
        cycles = [next(beats) for _ in range(len(tile) * machine.weight_beats)]
        if index >= 2:
            assert cycles[0] > run.releases[index - 2]
        if index and index in opens:
            assert cycles[0] >= previous + 2
        if run.offers == 1 and index:
            ready = previous + (2 if index in opens else 1)
            freed = run.releases[index - 2] + 1 if index >= 2 else 0
            assert cycles[0] == max(ready, freed)
            assert cycles == list(range(cycles[0], cycles[0] + len(cycles)))
        assert run.releases[index] > cycles[-1]
        assert cycles[-1] + 1 in {cycle for cycle, _ in run.written}
        previous = cycles[-1]


@pytest.mark.parametrize("offset", [-1, 1])
def test_a_packet_of_a_wrong_length_stops_the_loader(offset):
    machine = machine_of(4, 4, 1)
    tiles, stream = packets(random.Random(5), machine, [(2, 3)], 3)
    per_image = len(stream) // 3
    wrong = [word for word, _ in stream]
    lasts = {per_image - 1, 2 * per_image - 1 + offset}
    run = Run(machine, [(2, 3)], [(word, index in lasts) for index, word in enumerate(wrong)])
    stopped_at = 2 * per_image - (1 if offset > 0 else 2)
    assert len(run.accepted) == stopped_at + 1
    assert run.errors == [run.accepted[-1]]
    assert len(run.releases) == 3
    assert len(tiles) == 6


def test_a_program_without_streamed_layers_takes_nothing():
    machine = replace(machine_of(4, 4, 2), layers=1)
    run = Run(machine, [(1, 1)], [(1, True)], streams=False, cycles=30)
    assert run.accepted == []


def test_the_machine_is_checked():
    with pytest.raises(TypeError, match=r"^Machine must be a Machine, not 'wide'$"):
        WeightLoader("wide")
