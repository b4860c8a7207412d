# amaranth: UnusedElaboratable=no
"""The output: packets, their cycles, and the stream contract under back-pressure."""

import random

import pytest
from amaranth.sim import Simulator

from bcsim.machine.parameters import Machine
from bcsim.machine.record_parts import StreamFields, fields_of
from bcsim.machine.records import pack
from bcsim.rtl.streams.output import Output, packet


def simulate(machine, images, *, ready, gap, seed, positive=1 << 16):
    """(accepted words as (cycle, data, last), cycles of the last write, cycles in which the buffer was free)."""
    rng = random.Random(seed)
    dut = Output(machine)
    size = machine.requantisers
    rounds = [[scores[n : n + size] for n in range(0, len(scores), size)] for scores in images]
    accepted, lasts, free = [], [], []
    layout = fields_of(StreamFields)
    fields = dict.fromkeys(dict(layout), 0) | {"classes": len(images[0]) - 1, "positive": positive}
    word = pack(layout, **fields)

    async def bench(ctx):
        ctx.set(dut.record, dut.record.shape().from_bits(word))
        cycle, held, reserved, pause = 0, None, False, 0
        while len(accepted) < sum(len(scores) + 1 for scores in images):
            ctx.set(dut.write, 0)
            ctx.set(dut.last, 0)
            ctx.set(dut.reserve, 0)
            if rounds and not reserved and ctx.get(dut.free):
                ctx.set(dut.reserve, 1)
                reserved, pause = True, gap
            elif reserved and pause:
                pause -= 1
            elif reserved:
                values = rounds[0].pop(0)
                ctx.set(dut.write, 1)
                ctx.set(dut.values, values + [rng.randrange(1 << 16) for _ in range(size - len(values))])
                ctx.set(dut.last, int(not rounds[0]))
                pause = gap
                if not rounds[0]:
                    lasts.append(cycle)
                    rounds.pop(0)
                    reserved = False
            ctx.set(dut.stream.tready, int(rng.random() < ready))
            if ctx.get(dut.free):
                free.append(cycle)
            held = await observe(ctx, dut, cycle, held, accepted)
            cycle += 1

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return accepted, lasts, free


async def observe(ctx, dut, cycle, held, accepted):
    """Note an accepted word; return the offered one where it was not."""
    offer = (ctx.get(dut.stream.tdata), ctx.get(dut.stream.tlast)) if ctx.get(dut.stream.tvalid) else None
    assert held is None or held == offer
    taken = offer is not None and ctx.get(dut.stream.tready)
    assert ctx.get(dut.sent) == int(bool(taken and offer[1]))
    if taken:
        accepted.append((cycle, *offer))
    await ctx.tick()
    return None if taken else offer


@pytest.mark.parametrize("seed", range(12))
def test_packets_leave_in_order_with_their_class(seed):
    rng = random.Random(seed)
    requantisers = [1, 2, 3, 4][seed % 4]
    classes = rng.choice([1, 2, 5, 12])
    machine = Machine(lanes=12, pes=12, requantisers=requantisers, outputs=classes, input_bytes=1)
    top = rng.choice([2, 1 << 16])
    images = [[rng.randrange(top) for _ in range(classes)] for _ in range(5)]
    positive = rng.randrange(top) if classes == 1 else 1 << 16
    accepted, lasts, free = simulate(
        machine, images, ready=rng.choice([0.3, 1]), gap=rng.randrange(4), seed=seed, positive=positive
    )
    assert [word[1] for word in accepted] == [word for scores in images for word in packet(scores, positive)]
    assert [word[2] for word in accepted] == ([0] * classes + [1]) * 5
    ends = [word[0] for word in accepted if word[2]]
    assert all(end + 1 in free and end not in free for end in ends[:-1])
    assert all(last not in free for last in lasts)


@pytest.mark.parametrize("classes", [1, 2, 3, 10])
def test_a_ready_sink_takes_a_word_a_cycle_from_two_cycles_after_the_last_write(classes):
    machine = Machine(lanes=8, pes=8, requantisers=2, outputs=10, input_bytes=1)
    images = [list(range(classes)), list(range(classes, 0, -1))]
    accepted, lasts, _ = simulate(machine, images, ready=1, gap=0, seed=0)
    wanted = [last + 2 + n for last in lasts for n in range(classes + 1)]
    assert [word[0] for word in accepted] == wanted


def test_the_first_of_equal_scores_wins():
    assert packet([3, 7, 7, 0], 1 << 16) == [3, 7, 7, 0, 1]
    assert packet([0, 0], 1 << 16) == [0, 0, 0]


@pytest.mark.parametrize(
    ("positive", "classes"), [(0, [1, 1, 1]), (8, [0, 1, 1]), (9, [0, 0, 1]), (1 << 16, [0, 0, 0])]
)
def test_one_score_is_class_1_from_the_least_positive_one_on(positive, classes):
    machine = Machine(lanes=8, pes=8, requantisers=2, outputs=10, input_bytes=1)
    images = [[7], [8], [65535]]
    accepted, _, _ = simulate(machine, images, ready=1, gap=0, seed=0, positive=positive)
    assert [word[1] for word in accepted if word[2]] == classes
    assert [packet(scores, positive)[-1] for scores in images] == classes


def test_the_machine_is_checked():
    with pytest.raises(TypeError, match=r"^Machine must be a Machine, not 3$"):
        Output(3)
