"""Estimates of FPGA resources against Yosys: block memories by shape, and the accelerators of docs/synthesis.md."""

from dataclasses import replace
from statistics import median

import pytest

from bcsim.common.errors import BcsimError
from bcsim.costs.calibration import model_of, table_machine, whole_machines
from bcsim.costs.fpga_model import Estimate, estimate, estimate_clock
from bcsim.costs.parts import PARTS, find_part, larger_part
from bcsim.machine.parameters import parse_machine


@pytest.mark.parametrize("family", ["ice40", "7-series"])
def test_few_machines_of_a_family_tell_the_others(family: str) -> None:
    wholes = whole_machines(family)
    assert len(wholes) > 1
    for number, entry in enumerate(wholes):
        model = model_of(family, wholes[:number] + wholes[number + 1 :])
        found = estimate(table_machine(entry["machine"]), family, model=model)
        assert abs(found.luts / entry["luts"] - 1) < 0.15
        assert abs(found.flip_flops / entry["flip_flops"] - 1) < 0.15
        # A RAMB36E1 counts as two here, and as one in the table.
        assert found.memories == entry["memories"] or (family == "7-series" and entry["memories"] > 0)
        assert found.dsps == 0


def test_machines_of_the_table_are_estimated_without_themselves() -> None:
    wholes, folds, errors = whole_machines("ecp5"), 4, []
    for fold in range(folds):
        model = model_of("ecp5", [e for n, e in enumerate(wholes) if n % folds != fold])
        for entry in wholes[fold::folds]:
            found = estimate(table_machine(entry["machine"]), "ecp5", model=model)
            errors.append(abs(found.luts / entry["luts"] - 1))
            assert found.memories == entry["memories"]
    assert len(wholes) >= 20
    assert median(errors) < 0.06


def test_a_preset_is_estimated_as_synthesised() -> None:
    # docs/fit.md: Yosys 0.70, none of the table's machines
    found = estimate(parse_machine("tiny"), "ecp5")
    assert found.memories == 22
    assert abs(found.luts / 2553 - 1) < 0.05
    assert abs(found.flip_flops / 2617 - 1) < 0.05


def test_parts_are_found_by_any_order_code() -> None:
    assert find_part("LFE5U-85F-6BG381C").name == "lfe5u-85"
    assert find_part("XC7Z020-1CLG400C").name == "xc7z020"
    assert find_part("iCE40UP5K").name == "up5k"
    with pytest.raises(BcsimError, match=r"^Unknown part 'xcvu9p'; known are up5k, "):
        find_part("xcvu9p")


def test_the_next_larger_part_is_of_the_same_family() -> None:
    assert larger_part(PARTS["lfe5u-25"]) == PARTS["lfe5u-45"]
    assert larger_part(PARTS["lfe5u-85"]) is None


def test_clocks_are_those_that_were_placed() -> None:
    machine = parse_machine("tiny")
    assert estimate_clock(machine, PARTS["up5k"]) == pytest.approx(31.8, rel=0.02)
    assert estimate_clock(replace(machine, offset_bits=38), PARTS["up5k"]) == pytest.approx(34.4, rel=0.02)
    assert estimate_clock(machine, PARTS["hx8k"]) == pytest.approx(74.2, rel=0.02)
    assert estimate_clock(machine, PARTS["xc7z020"]) is None
    # docs/synthesis.md: mnist-mlp on 32 x 32 lanes without and with pipeline registers.
    large = parse_machine("medium,requantisers=8,accumulator_bits=18,weight_words=2880,loading=false")
    large = replace(large, offset_bits=36, step_bits=32)
    large = replace(large, activation_words=114, parameter_words=386, layers=4, outputs=10)
    assert estimate_clock(large, PARTS["lfe5u-85"]) == pytest.approx(59.0, rel=0.03)
    fast = replace(large, pipeline_registers=2)
    assert estimate_clock(fast, PARTS["lfe5u-85"]) == pytest.approx(97.5, rel=0.03)


def test_half_a_subtraction_is_faster_and_walks_are_slower() -> None:
    machine, part = parse_machine("tiny"), PARTS["up5k"]
    halved, spatial = replace(machine, divide_cycles=2), replace(machine, spatial=True)
    clocks = [estimate_clock(m, part) or 0.0 for m in (spatial, machine, halved)]
    assert clocks[0] < 28 < clocks[1] < clocks[2] < 40


def test_lone_flip_flops_take_cells_on_ice40() -> None:
    # docs/fit.md: digits on 4 x 16 lanes, as nextpnr packed it.
    size = Estimate(luts=2524, flip_flops=2223, memories=26)
    assert size.cells(PARTS["up5k"]) == pytest.approx(3664, rel=0.02)
    assert size.cells(PARTS["lfe5u-25"]) == 2524
    full = replace(size, flip_flops=5280)
    assert full.fits(PARTS["up5k"]) is (2524 + 2640 <= 5280)
    assert not replace(full, luts=2700).fits(PARTS["up5k"])
