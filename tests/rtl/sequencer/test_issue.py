# amaranth: UnusedElaboratable=no
"""The issue walker against its model: random records, with images and output space coming at random."""

import random
from dataclasses import astuple

import pytest
from amaranth.sim import Simulator

from bcsim.machine.parameters import TINY, Machine
from bcsim.machine.record_parts import IssueFields, WalkFields, fields_of
from bcsim.machine.records import issue_fields, pack
from bcsim.rtl.sequencer.issue import IssueWalker
from bcsim.rtl.sequencer.issued_steps import issue_steps

CYCLES = 600
WARM_UP = 2


DENSE_WALK = dict.fromkeys(dict(fields_of(WalkFields)), 0) | {"height": 1, "width": 1}
"""One position without a kernel around it."""


def random_records(rng: random.Random, layers: int, machine: Machine) -> list[dict[str, int]]:
    records = []
    for index in range(layers):
        last = index == layers - 1
        planes = rng.randrange(3)
        records.append(
            {
                "chunks": rng.choice([0, 0, 1, 4]),
                "digits": rng.choice([0, 0, 1, 3]),
                "planes": planes,
                "tiles": rng.choice([0, 1, 3]),
                "read_base": rng.randrange(64),
                "read_base_odd": rng.randrange(64),
                "wait": rng.choice([0, 2, 3, 9]) if index else 0,
                "drain_full": rng.choice([1, 2, 4, 20]),
                "drain_last": rng.choice([1, 2, 4, 20]),
                "doubles": rng.randrange(1 << planes + 1) & ~1 if machine.shift_planes else 0,
                "first": int(index == 0),
                "scores": int(last),
                "last": int(last),
                **(DENSE_WALK if machine.spatial else {}),
            }
        )
    return records


def simulate(machine: Machine, records: list[dict[str, int]], loaded: list[int], free: list[int]):
    """(steps, cycles of release, cycles of reserve, cycles without a step by cause), cycles from WARM_UP on."""
    dut = IssueWalker(machine)
    words = [pack(issue_fields(machine), **record) for record in records]
    steps, releases, reserves, waits = [], [], [], dict.fromkeys(("input", "output", "drain"), 0)

    async def bench(ctx):
        pipeline = [0, 0]
        for cycle in range(-WARM_UP, CYCLES):
            ctx.set(dut.record, dut.record.shape().from_bits(pipeline[0]))
            ctx.set(dut.loaded, loaded[max(cycle, 0)])
            ctx.set(dut.output_free, free[max(cycle, 0)])
            if ctx.get(dut.step.valid):
                fields = ctx.get(dut.step)
                steps.append(
                    (
                        cycle,
                        ctx.get(dut.activation_address),
                        ctx.get(dut.weight_address),
                        bool(ctx.get(dut.weight_enable)),
                        bool(fields.last_digit),
                        bool(fields.double),
                        bool(fields.last),
                    )
                )
            for signal, times in ((dut.release, releases), (dut.reserve, reserves)):
                if ctx.get(signal):
                    times.append(cycle)
            for cause in waits:
                waits[cause] += ctx.get(getattr(dut, f"waits_{cause}"))
            pipeline = [pipeline[1], words[ctx.get(dut.record_address)]]
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return steps, releases, reserves, waits


@pytest.mark.parametrize("seed", range(12))
def test_steps_are_the_models(seed):
    rng = random.Random(seed)
    machine = Machine(
        lanes=8,
        pes=8,
        digit=2,
        requantisers=2,
        input_buffers=1 + seed % 2,
        shift_planes=seed % 3 == 0,
        layers=4,
        spatial=seed % 4 >= 2,
    )
    records = random_records(rng, 1 + seed % 4, machine)
    odds = rng.choice([0.3, 0.6, 1])
    loaded = [int(rng.random() < odds) for _ in range(CYCLES)]
    free = [int(rng.random() < odds) for _ in range(CYCLES)]
    steps, releases, reserves, waits = simulate(machine, records, loaded, free)
    model = issue_steps(records, loaded, free, buffers=machine.input_buffers)
    assert len(steps) > 10
    assert steps == [astuple(step) for step in model]
    taken = {step[0] for step in steps}
    assert set(releases) <= taken
    assert abs(len(releases) - len(reserves)) <= 1
    assert len(taken) + sum(waits.values()) <= CYCLES


def one_layer(**changes: int) -> dict[str, int]:
    record = dict.fromkeys(dict(fields_of(IssueFields)), 0) | {"first": 1, "scores": 1, "last": 1}
    return record | {"drain_full": 1, "drain_last": 1, "read_base": 5, "read_base_odd": 9} | changes


def test_one_step_layers_follow_each_other_at_the_layer_gap_and_alternate_buffers():
    always = [1] * CYCLES
    steps, releases, reserves, _ = simulate(TINY, [one_layer(drain_last=1)], always, always)
    assert [step[0] for step in steps] == list(range(1, CYCLES, 2))
    assert [step[1] for step in steps[:4]] == [5, 9, 5, 9]
    assert releases == [step[0] for step in steps]
    assert reserves[: len(releases)] == [cycle - 1 for cycle in releases]


def test_the_timer_holds_the_last_step_of_the_next_tile():
    always = [1] * CYCLES
    record = one_layer(tiles=2, drain_full=20, drain_last=7)
    steps, _, _, waits = simulate(TINY, [record], always, always)
    assert [step[0] for step in steps[:4]] == [1, 21, 41, 49]
    assert waits["drain"] > CYCLES // 2


def test_each_wait_is_attributed_to_its_cause():
    never, always = [0] * CYCLES, [1] * CYCLES
    assert simulate(TINY, [one_layer()], never, always)[3] == {"input": CYCLES, "output": 0, "drain": 0}
    assert simulate(TINY, [one_layer()], always, never)[3] == {"input": 0, "output": CYCLES, "drain": 0}


def test_the_machine_is_checked():
    with pytest.raises(TypeError, match=r"^Machine must be a Machine, not 32$"):
        IssueWalker(32)
