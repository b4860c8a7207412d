# amaranth: UnusedElaboratable=no
"""The drain walker and writer against the rounds of docs/machine.md."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator

from bcsim.machine import Machine
from bcsim.records import DRAIN_FIELDS, pack
from bcsim.rtl.drain import DrainWalker, rounds
from bcsim.rtl.drain_writer import DrainWriter, digit_words

TILES = 24


def random_records(rng: random.Random, layers: int, machine: Machine) -> list[dict[str, int]]:
    records = []
    full = machine.pes // machine.requantisers
    for index in range(layers):
        scores = index == layers - 1
        search = rng.randrange(2)
        bits = rng.choice([1, 2, 5]) if search else rng.choice([1, 2, 8, 16] if scores else [1, 2, 5, 8])
        records.append(
            {
                "tiles": rng.choice([0, 0, 1, 3]),
                "rounds_full": full - 1,
                "rounds_last": rng.randrange(full),
                "search": search,
                "bits": bits - 1,
                "digits": -(-bits // machine.digit) - 1 if not scores else 0,
                "write_base": rng.randrange(100),
                "scores": int(scores),
                "last": int(scores),
            }
        )
    return records


class Trace:
    """What happened in which cycle."""

    def __init__(self) -> None:
        self.loads: dict[int, int] = {}
        self.steps: dict[int, int] = {}
        self.done: list[int] = []
        self.selects: dict[int, int] = {}
        self.addresses: list[int] = []
        self.values: list[list[int]] = []
        self.writes: dict[int, tuple[int, int, int]] = {}
        self.scores: dict[int, bool] = {}


def simulate(machine: Machine, records: list[dict[str, int]], starts: list[int], seed: int) -> Trace:
    """The trace of a walker and a writer with random values at the writer; cycle 0 is the walker's fourth."""
    rng = random.Random(seed)
    m = Module()
    m.submodules.walker = walker = DrainWalker(machine)
    m.submodules.writer = writer = DrainWriter(machine)
    m.d.comb += [writer.done.eq(walker.done), writer.place.eq(walker.place)]
    words = [pack(DRAIN_FIELDS, **record) for record in records]
    trace = Trace()

    async def bench(ctx):
        pipeline = [0, 0]
        for cycle in range(-3, starts[-1] + 60):
            ctx.set(walker.record, walker.record.shape().from_bits(pipeline[0]))
            ctx.set(walker.tile, int(cycle in starts))
            values = [rng.randrange(1 << 16) for _ in range(machine.requantisers)]
            ctx.set(writer.values, values)
            if cycle >= 0:
                record_cycle(ctx, walker, writer, trace, cycle, values)
            pipeline = [pipeline[1], words[ctx.get(walker.record_address)]]
            await ctx.tick()

    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return trace


def record_cycle(ctx, walker: DrainWalker, writer: DrainWriter, trace: Trace, cycle: int, values) -> None:
    trace.addresses.append(ctx.get(walker.parameter_address))
    trace.values.append(values)
    if ctx.get(walker.load):
        trace.loads[cycle] = ctx.get(walker.search)
    if ctx.get(walker.step):
        trace.steps[cycle] = ctx.get(walker.probe)
    if ctx.get(walker.done):
        trace.done.append(cycle)
    if ctx.get(walker.select):
        trace.selects[cycle] = ctx.get(walker.probe)
    if enable := ctx.get(writer.write.enable):
        trace.writes[cycle] = (enable, ctx.get(writer.write.address), ctx.get(writer.write.data))
    if ctx.get(writer.score_write):
        trace.scores[cycle] = bool(ctx.get(writer.score_last))


def expected(machine: Machine, tiles, starts: list[int], seen: Trace) -> Trace:
    """The trace that docs/machine.md asks for; the parameter addresses and values are those seen."""
    trace = Trace()
    for start, tile in zip(starts, tiles, strict=True):
        first = start
        for item in tile:
            trace.loads[first] = int(item.search)
            probes = [1 << bit for bit in reversed(range(item.bits))]
            for index, probe in enumerate(probes):
                if item.search:
                    trace.selects[first + 1 + 3 * index] = probe
                trace.steps[first + (3 + 3 * index if item.search else 1 + index)] = probe
            end = first + item.cycles
            trace.done.append(end - 1)
            if item.scores:
                trace.scores[end] = item.last
            else:
                expect_writes(machine, item, end, seen, trace)
            first = end
    return trace


def expect_writes(machine: Machine, item, end: int, seen: Trace, trace: Trace) -> None:
    for digit in range(item.digits):
        word = digit_words(seen.values[end + digit], digits=item.digits, width=machine.digit)[digit]
        word &= (1 << machine.requantisers * machine.digit) - 1
        spread = sum(word << g * machine.requantisers * machine.digit for g in range(machine.groups))
        trace.writes[end + digit] = (1 << item.group, item.address + digit, spread)


def check_parameters(tiles, starts: list[int], trace: Trace) -> None:
    """The address two cycles before a round's first one, and in the cycles of `select`."""
    for start, tile in zip(starts, tiles, strict=True):
        first = start
        for item in tile:
            if not item.search:
                assert first < 2 or trace.addresses[first - 2] == item.parameter
            else:
                of_round = [c for c in trace.selects if first <= c < first + item.cycles]
                assert [trace.addresses[c] for c in of_round] == [item.parameter] * item.bits
            first += item.cycles


@pytest.mark.parametrize("seed", range(16))
def test_rounds_and_writes_happen_in_their_cycles(seed):
    rng = random.Random(seed)
    requantisers, lanes, pes = rng.choice([(1, 2, 3), (2, 2, 6), (2, 8, 8), (3, 6, 12)])
    machine = Machine(
        lanes=lanes,
        pes=pes,
        requantisers=requantisers,
        digit=rng.choice([1, 2, 4, 8]),
        input_bytes=1,
        layers=4,
    )
    records = random_records(rng, 1 + seed % 4, machine)
    model = rounds(records, groups=machine.groups)
    tiles = [next(model) for _ in range(TILES)]
    starts, cycle = [], rng.randrange(3)
    for tile in tiles:
        starts.append(cycle)
        cycle += sum(item.cycles for item in tile) + rng.choice([0, 0, 1, 7])
    seen = simulate(machine, records, starts, seed)
    wanted = expected(machine, tiles, starts, seen)
    assert len(seen.loads) >= TILES
    for what in ("loads", "steps", "done", "selects", "writes", "scores"):
        assert getattr(seen, what) == getattr(wanted, what), what
    check_parameters(tiles, starts, seen)


def test_digits_of_values_are_interleaved_most_significant_first():
    assert digit_words([0x12, 0x34], digits=2, width=4) == [0x31, 0x42]


def test_the_walker_checks_its_machine():
    with pytest.raises(TypeError, match=r"^Machine must be a Machine, not None$"):
        DrainWalker(None)


def test_the_writer_checks_its_machine():
    with pytest.raises(TypeError, match=r"^Machine must be a Machine, not None$"):
        DrainWriter(None)
