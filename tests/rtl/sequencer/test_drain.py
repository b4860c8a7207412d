# amaranth: UnusedElaboratable=no
"""The drain walker and writer against the rounds of docs/machine.md."""

import random
from dataclasses import replace
from itertools import cycle as endlessly

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator

from bcsim.machine.parameters import Machine
from bcsim.machine.records import drain_fields, pack
from bcsim.machine.widths import ADDRESS_BITS
from bcsim.rtl.common.layouts import digit_words
from bcsim.rtl.sequencer.drain import DrainWalker
from bcsim.rtl.sequencer.drain_rounds import rounds
from bcsim.rtl.sequencer.drain_writer import DrainWriter

TILES = 24


def random_records(rng: random.Random, layers: int, machine: Machine) -> list[dict[str, int]]:
    records = []
    full = machine.pes // machine.requantisers
    for index in range(layers):
        scores = index == layers - 1
        search = rng.randrange(2)
        bits = rng.choice([1, 2, 5]) if search else rng.choice([1, 2, 8, 16] if scores else [1, 1, 2, 5, 8])
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
                **random_positions(rng, machine),
            }
        )
    if machine.weight_stream_bytes:
        records = [stream(rng, record, machine) for record in records]
    return [apart(record, machine) for record in records] if machine.reuse > 1 else records


def apart(record: dict[str, int], machine: Machine) -> dict[str, int]:
    """The record on a machine that takes several positions in turn; each fills whole words."""
    groups, digits = machine.groups, record["digits"] + 1
    last = (record["rounds_last"] // groups + 1) * groups
    words = (record["tiles"] * (record["rounds_full"] + 1) + last) // groups * digits
    strides = {
        "position_stride": words,
        "tile_stride": machine.pes // machine.lanes * digits,
    }
    if machine.weight_stream_bytes:
        strides = {name: record[name] for name in strides}
    back = record["tiles"] * strides["tile_stride"]
    onward = (strides["position_stride"] - back) % (1 << ADDRESS_BITS)
    return record | strides | {"rounds_last": last - 1, "next_stride": onward}


def random_strips(rng: random.Random, records, machine: Machine) -> list[list[int]]:
    """The positions of every strip of every layer."""
    return [
        [rng.randint(1, machine.reuse) for _ in range(record.get("positions", 0) + 1)] for record in records
    ]


def passes_of(record: dict[str, int], strips: list[int]) -> list[int]:
    """The positions of every pass of a layer."""
    inner = [size for size in strips for _ in range((record["tiles"] + 1) * (record.get("window", 0) + 1))]
    return inner * (record.get("streamed_tiles", 0) + 1)


def stream(rng: random.Random, record: dict[str, int], machine: Machine) -> dict[str, int]:
    """The record on a spatial machine with a weight stream, half of them streamed; positions fill whole words."""
    groups, digits = machine.groups, record["digits"] + 1
    last = (record["rounds_last"] // groups + 1) * groups
    streamed = rng.randrange(2)
    rounds_of_position = record["tiles"] * (record["rounds_full"] + 1) + last
    return record | {
        "rounds_last": last - 1,
        "tiles": 0 if streamed else record["tiles"],
        "streamed_tiles": record["tiles"] if streamed else 0,
        "position_stride": rounds_of_position // groups * digits,
        "tile_stride": machine.pes // machine.lanes * digits,
    }


def random_positions(rng: random.Random, machine: Machine) -> dict[str, int]:
    return {"positions": rng.choice([0, 1, 2]), "window": rng.choice([0, 0, 3])} if machine.spatial else {}


class Trace:
    """What happened in which cycle."""

    def __init__(self) -> None:
        self.shifts: list[int] = []
        self.onwards: list[int] = []
        self.loads: list[int] = []
        self.steps: dict[int, tuple[int, int]] = {}
        self.done: list[int] = []
        self.firsts: dict[int, int] = {}
        self.selects: dict[int, int] = {}
        self.addresses: list[int] = []
        self.reads: dict[int, int] = {}
        self.values: list[list[int]] = []
        self.writes: dict[int, tuple[int, int, int]] = {}
        self.score_writes: list[int] = []
        self.score_lasts: list[int] = []


def simulate(
    machine: Machine, records: list[dict[str, int]], starts: list[int], sizes: list[int], seed: int
) -> Trace:
    """The trace of a walker and a writer with random values at the writer; cycle 0 is the walker's fourth."""
    rng = random.Random(seed)
    m = Module()
    m.submodules.walker = walker = DrainWalker(machine)
    m.submodules.writer = writer = DrainWriter(machine)
    m.d.comb += [writer.done.eq(walker.write), writer.place.eq(walker.place)]
    words = [pack(drain_fields(machine), **record) for record in records]
    trace = Trace()

    async def bench(ctx):
        pipeline = [0, 0]
        for cycle in range(-3, starts[-1] + 100 * machine.reuse):
            ctx.set(walker.record, walker.record.shape().from_bits(pipeline[0]))
            ctx.set(walker.tile, int(cycle + 2 in starts))
            if machine.reuse > 1:
                comes = (
                    sizes[starts.index(cycle + 2)] if cycle + 2 in starts else rng.randint(1, machine.reuse)
                )
                ctx.set(walker.positions, comes - 1)
            values = [rng.randrange(1 << 16) for _ in range(machine.drains * machine.requantisers)]
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
    for signal, times in (
        (walker.shift, trace.shifts),
        (walker.load, trace.loads),
        (walker.done, trace.done),
        *([(walker.onward, trace.onwards)] if walker.machine.reuse > 1 else []),
    ):
        if ctx.get(signal):
            times.append(cycle)
    if ctx.get(walker.step):
        trace.steps[cycle] = (ctx.get(walker.search), ctx.get(walker.probe))
    if walker.machine.spatial and ctx.get(walker.done):
        trace.firsts[cycle] = ctx.get(walker.pool.first)
    if ctx.get(walker.parameter_enable):
        trace.reads[cycle] = ctx.get(walker.parameter_odd)
    if ctx.get(walker.select):
        trace.selects[cycle] = ctx.get(walker.probe)
    if enable := ctx.get(writer.write.enable):
        trace.writes[cycle] = (enable, ctx.get(writer.write.address), ctx.get(writer.write.data))
    trace.score_writes += [cycle] * ctx.get(writer.score_write)
    trace.score_lasts += [cycle] * ctx.get(writer.score_last)


def expected(machine: Machine, tiles, starts: list[int], sizes: list[int], seen: Trace) -> Trace:
    """The trace that docs/machine.md asks for; the parameter addresses and values are those seen."""
    trace = Trace()
    for start, tile, size in zip(starts, tiles, sizes, strict=True):
        turns = size if tile[0].search or tile[0].scores else -(-size // machine.drains)
        first, of_position = start, len(tile) // turns
        for number, item in enumerate(tile):
            trace.shifts.append(first - 2)
            trace.onwards += [first - 2] * (machine.reuse > 1 and number > 0 and number % of_position == 0)
            trace.loads.append(first)
            trace.reads[first - 1] = 0
            if item.bits > 1 and not item.search:
                trace.reads[first - 1 + machine.divide_cycles] = 1
            probes = [1 << bit for bit in reversed(range(item.bits))]
            for index, probe in enumerate(probes):
                if item.search:
                    trace.selects[first + 1 + 3 * index] = probe
                    trace.reads[first + 1 + 3 * index] = 0
                stride = 3 if item.search else machine.divide_cycles
                trace.steps[first + stride * (1 + index)] = (int(item.search), probe)
            write = first + item.write
            trace.done.append(write - 2)
            if machine.spatial:
                trace.firsts[write - 2] = int(item.first)
            if item.silent:
                pass
            elif item.scores:
                trace.score_writes.append(write - 1)
                trace.score_lasts += [write] * item.last
            else:
                expect_writes(machine, item, write, seen, trace)
            first += item.cycles
    return trace


def expect_writes(machine: Machine, item, first: int, seen: Trace, trace: Trace) -> None:
    """A round's values, digit by digit, and behind them those of a second position."""
    for position, ahead in enumerate([0] if item.behind is None else [0, item.behind]):
        units = slice(position * machine.requantisers, (position + 1) * machine.requantisers)
        for digit in range(item.digits):
            cycle = first + position * item.digits + digit
            word = digit_words(seen.values[cycle - 1][units], digits=item.digits, width=machine.digit)[digit]
            word &= (1 << machine.requantisers * machine.digit) - 1
            spread = sum(word << g * machine.requantisers * machine.digit for g in range(machine.groups))
            trace.writes[cycle] = (1 << item.group, item.address + ahead + digit, spread)


def check_parameters(tiles, starts: list[int], trace: Trace) -> None:
    """The address a cycle before a round's first one, in the cycle of the second read, and in those of `select`."""
    for start, tile in zip(starts, tiles, strict=True):
        first = start
        for item in tile:
            if not item.search:
                of_round = [c for c in trace.reads if first - 1 <= c < first + item.cycles - 1]
                assert {trace.addresses[c] for c in of_round} == {item.parameter}
            else:
                of_round = [c for c in trace.selects if first <= c < first + item.cycles]
                assert [trace.addresses[c] for c in of_round] == [item.parameter] * item.bits
            first += item.cycles


def random_starts(rng: random.Random, tiles) -> list[int]:
    """First cycles of the tiles' rounds, often as early as may be; their writes do not collide."""
    starts, cycle, digits_end = [], 2 + rng.randrange(3), 0
    for tile in tiles:
        starts.append(max(cycle, digits_end - tile[0].write))
        begin = starts[-1] + sum(item.cycles for item in tile[:-1])
        change = 1 if tile[-1].last else 0
        cycle = max(begin + tile[-1].cycles + change, starts[-1] + 1 + change) + rng.choice([0, 0, 1, 7])
        written = tile[-1].digits * (1 if tile[-1].behind is None else 2)
        digits_end = begin + tile[-1].write + written
    return starts


@pytest.mark.parametrize("seed", range(44))
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
        spatial=seed % 2 == 1,
        weight_stream_bytes=4 if seed % 4 == 1 and pes % lanes == 0 else 0,
        divide_cycles=1 + (seed % 3 == 2),
    )
    if seed >= 24:
        lanes = rng.choice([2, 4]) * requantisers
        machine = replace(
            machine, spatial=True, reuse=rng.choice([2, 4]), lanes=lanes, pes=lanes * rng.choice([1, 2])
        )
    if seed >= 36:
        machine = replace(machine, drains=2)
    records = random_records(rng, 1 + seed % 4, machine)
    strips = random_strips(rng, records, machine)
    own = {"divide": machine.divide_cycles, "drains": machine.drains}
    model = rounds(records, groups=machine.groups, strips=strips, **own)
    tiles = [next(model) for _ in range(TILES)]
    image = [size for record, own in zip(records, strips, strict=True) for size in passes_of(record, own)]
    sizes = [size for size, _ in zip(endlessly(image), tiles, strict=False)]
    starts = random_starts(rng, tiles)
    seen = simulate(machine, records, starts, sizes, seed)
    wanted = expected(machine, tiles, starts, sizes, seen)
    assert len(seen.loads) >= TILES
    for what in (
        "shifts",
        "onwards",
        "loads",
        "steps",
        "done",
        "firsts",
        "selects",
        "reads",
        "writes",
        "score_writes",
        "score_lasts",
    ):
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
