"""Advice against runs of the machine that it advises."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

import bcsim
from bcsim.compiler.program.layers import Program
from bcsim.report import render_report
from bcsim.results.advice import REMEDIES


@pytest.fixture(scope="module")
def program() -> Program:
    return bcsim.compile(bcsim.load("digits"), bits=[5, 1, 1])


SLOW_DRAIN = "lanes=16,pes=16,requantisers=1,digit=1,activation_words=512"
SLOW_INPUT = "lanes=64,pes=64,requantisers=64,input_bytes=1"
SLOW_WEIGHTS = "tiny,weight_words=150,weight_stream_bytes=1,weight_stream_interval=4"


@pytest.mark.parametrize(
    ("machine", "cause"), [(SLOW_DRAIN, "drain"), (SLOW_INPUT, "input"), (SLOW_WEIGHTS, "weight_load")]
)
def test_the_advised_machine_takes_the_cycles_that_are_told(
    program: Program, machine: str, cause: str
) -> None:
    result = bcsim.simulate(program, "digits", machine=machine, images=8)
    parameter, waits = REMEDIES[cause]
    told = next(line for line in result.advice if f"wait for {waits}: " in line)
    found = re.search(
        rf"^(\d+) % .* {parameter}=(\d+) would take ([\d,]+) cycles per image instead of ([\d,]+),", told
    )
    assert found is not None
    share, value, faster, now = (int(number.replace(",", "")) for number in found.groups())
    assert share == round(100 * result.cycles.stalls[cause] / result.cycles.slots)
    assert now == result.cycles.per_image
    advised = replace(bcsim.parse_machine(machine), name="advised", **{parameter: value})
    changed = bcsim.simulate(program, "digits", machine=advised, images=8)
    assert faster == changed.cycles.per_image <= 0.9 * now
    assert told in render_report(result)
    assert told in bcsim.to_json(result)["advice"]


def test_a_machine_that_waits_for_nothing_gets_none(program: Program) -> None:
    assert bcsim.simulate(program, "digits", machine="tiny", images=2).advice == ()
