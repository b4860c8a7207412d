"""The best machine for a part: it fits, nothing that was left out is better, and what does not fit is told."""

from dataclasses import replace

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.fitted_machine import map_fitted
from bcsim.costs.energy import TABLES, load_table
from bcsim.costs.external_memories import EXTERNAL_MEMORIES, with_memory
from bcsim.costs.fpga_model import piped
from bcsim.costs.parts import PARTS
from bcsim.machine.parameters import Machine, parse_machine
from bcsim.rtl.link.flash_reader import word_cycles
from bcsim.search import candidates as shapes
from bcsim.search import fit, room
from bcsim.search.candidates import candidates as every_shape
from bcsim.search.fit import OBJECTIVES, fit_part
from bcsim.search.point import evaluate, machine_text
from bcsim.simulator.cycles import scheduled_cycles
from bcsim.simulator.simulator import run_machine
from tests.programs import random_program

PROGRAM = random_program(np.random.default_rng(5))
HX8K = PARTS["hx8k"]


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "LANES", (2, 4, 8))
    monkeypatch.setattr(shapes, "ROUNDS", (1, 2))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_nothing_that_fits_is_better(objective: str) -> None:
    found = fit_part(PROGRAM, HX8K, objective=objective, clock=50.0)
    value, table = OBJECTIVES[objective], load_table(TABLES[0])
    everything = [
        evaluate(PROGRAM, machine, HX8K, table, 50.0) for _, machine in every_shape(PROGRAM, HX8K, 50.0, None)
    ]
    fitting = [point for point in everything if room.fits(point, HX8K)]
    assert value(found.best) == min(map(value, fitting))
    assert found.best.size.fits(HX8K)


def test_machines_that_do_not_fit_take_no_place_of_those_that_are_scheduled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The faster ones lack memories: the search looks beyond them, however few it schedules."""
    table = load_table(TABLES[0])
    points = [
        evaluate(PROGRAM, machine, HX8K, table, 50.0) for _, machine in every_shape(PROGRAM, HX8K, 50.0, None)
    ]
    part = replace(HX8K, memories=min(point.size.memories for point in points))
    fitting = [point for point in points if room.fits(point, part)]
    assert min(points, key=lambda point: point.cycles) not in fitting
    monkeypatch.setattr(fit, "TRIED", len(fitting))
    found = fit_part(PROGRAM, part, clock=50.0)
    assert found.best.cycles == min(point.cycles for point in fitting)
    assert "block memories" in found.limit


def test_bounds_are_never_above_the_cycles() -> None:
    for bound, machine in every_shape(PROGRAM, HX8K, 50.0, None):
        assert bound <= scheduled_cycles(PROGRAM, machine).per_image


def test_several_images_at_once_are_tried_for_energy_alone() -> None:
    candidates = [machine for _, machine in every_shape(PROGRAM, HX8K, 50.0, None, batches=True)]
    assert {machine.batch for machine in candidates} == {1, 2, 4, 8}
    for machine in candidates:
        assert machine.batch == machine.reuse
        assert parse_machine(machine_text(machine)).batch == machine.batch
    several = evaluate(PROGRAM, candidates[-1], HX8K, load_table(TABLES[0]), 50.0)
    run = run_machine(map_fitted(PROGRAM, candidates[-1]), np.zeros((1, PROGRAM.inputs), np.uint8))
    assert several.machine.batch > 1
    assert several.cycles == run.per_image
    assert several.utilisation == pytest.approx(run.utilisation)
    assert {machine.batch for _, machine in every_shape(PROGRAM, HX8K, 50.0, None)} == {1}


def test_its_command_line_makes_the_machine_again() -> None:
    found = fit_part(PROGRAM, HX8K, clock=50.0).best.machine
    again = parse_machine(machine_text(found))
    assert {name: getattr(again, name) for name in ("lanes", "pes", "digit", "requantisers", "loading")} == {
        name: getattr(found, name) for name in ("lanes", "pes", "digit", "requantisers", "loading")
    }


def test_requantisers_take_two_cycles_where_the_clock_gains_by_it() -> None:
    """Only where nobody gives the clock, and place and route of the part is faster with half a subtraction."""
    for part, clock, tried in (("hx8k", None, {1, 2}), ("hx8k", 50.0, {1}), ("lfe5u-25", None, {1})):
        machines = [machine for _, machine in every_shape(PROGRAM, PARTS[part], clock, None)]
        assert {machine.divide_cycles for machine in machines} == tried
        assert all(parse_machine(machine_text(m)).divide_cycles == m.divide_cycles for m in machines)


def test_large_arrays_on_ecp5_have_pipeline_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "LANES", (16, 32))
    for part, least in ((PARTS["lfe5u-85"], 512), (PARTS["xc7z020"], 1 << 20)):
        for _, machine in every_shape(PROGRAM, part, None, None):
            registers = 2 if machine.slots >= least else 0
            assert machine.pipeline_registers == registers
            assert parse_machine(machine_text(machine)).pipeline_registers == registers
    given = parse_machine("medium,pipeline_registers=1")
    assert piped(given, PARTS["lfe5u-85"]) == given


def test_a_part_that_is_too_small_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "FULL", 0.001)
    monkeypatch.setattr(room, "FULL", 0.001)
    with pytest.raises(
        BcsimError, match=r"^No machine for .* fits the hx8k, the nearest takes [0-9,]+ of 8 logic cells"
    ):
        fit_part(PROGRAM, HX8K, clock=50.0)


def test_an_objective_that_is_none_is_told() -> None:
    with pytest.raises(
        BcsimError, match=r"^Objective must be one of fps, latency, energy, area, not 'speed'$"
    ):
        fit_part(PROGRAM, HX8K, objective="speed")


def test_a_memory_is_parameters_of_the_weight_stream() -> None:
    flash = with_memory(Machine(clock_mhz=50.0), "icebreaker-flash")
    assert flash.weight_stream_interval == word_cycles(flash.weight_stream_bytes) == 4
    assert flash.weight_stream_latency == 0
    narrow = Machine(lanes=4, pes=4, requantisers=2, clock_mhz=50.0)
    sdram = with_memory(narrow, "ulx3s-sdram")
    assert (sdram.weight_stream_bytes, sdram.weight_stream_interval, sdram.weight_stream_latency) == (2, 1, 3)
    with pytest.raises(BcsimError, match=r"^Unknown external memory 'hbm'; known are arty-ddr3, "):
        with_memory(Machine(), "hbm")


@pytest.mark.parametrize(
    ("name", "clock", "port"),
    [
        # 2.66 bytes a cycle at 100 MHz: two bytes a cycle, eight in 4 cycles (3 at 99 MHz), or 32 in 13.
        ("ulx3s-sdram", 100.0, (32, 13)),
        ("ulx3s-sdram", 99.0, (8, 3)),
        ("ulx3s-sdram", 133.0, (2, 1)),
        # 13.33 bytes a cycle: 16 in 2 cycles, 64 in 5.
        ("arty-ddr3", 100.0, (64, 5)),
        ("icebreaker-flash", 100.0, (1, 4)),
    ],
)
def test_a_port_is_as_wide_as_the_memory_is_fast(name: str, clock: float, port: tuple[int, int]) -> None:
    machine = with_memory(Machine(lanes=32, pes=64, requantisers=8, clock_mhz=clock), name)
    assert (machine.weight_stream_bytes, machine.weight_stream_interval) == port


def test_weights_stream_at_the_clock_that_is_found() -> None:
    memory, part = EXTERNAL_MEMORIES["ulx3s-sdram"], replace(PARTS["lfe5u-25"], memories=6)
    best = fit_part(PROGRAM, part, memory=memory.name, look_larger=False).best
    clock, size = best.clock_mhz, best.machine.weight_stream_bytes
    assert best.traffic > 0
    assert abs(clock / 100 - 1) > 0.05
    assert best.machine.weight_stream_interval == memory.interval(size, clock)
    assert size / best.machine.weight_stream_interval <= memory.rate(clock)
    given = fit_part(PROGRAM, part, clock=50.0, memory=memory.name, look_larger=False).best.machine
    assert given.weight_stream_interval == memory.interval(given.weight_stream_bytes, 50.0)
