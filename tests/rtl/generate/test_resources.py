# amaranth: UnusedElaboratable=no
"""The array's cost stays within that of the prototype, and nothing multiplies."""

import pytest

from bcsim.rtl.generate.resources import LaneCost, lane_cost, measured_machine
from bcsim.rtl.tools.synthesis import FAMILIES

pytest.importorskip("pyosys", reason="synthesis needs Yosys (the hdl extra)")

PROTOTYPE = {
    "ecp5": {8: 10.5, 4: 6.6, 2: 4.9, 1: 3.7},
    "ice40": {8: 9.9, 4: 5.9, 2: 4.0, 1: 3.0},
    "7-series": {8: 9.6, 4: 5.6, 2: 3.7, 1: 2.7},
    "gowin": {8: 10.4, 4: 6.4, 2: 4.5, 1: 3.5},
}
"""LUT sites per lane of an array without requantisers, measured with Yosys before this one was built."""


@pytest.mark.parametrize(("family", "digit"), [("ecp5", 1), ("gowin", 2)])
def test_a_lane_costs_no_more_than_the_prototypes(family, digit):
    cost = lane_cost(FAMILIES[family], digit)
    assert isinstance(cost, LaneCost)
    assert (cost.family, cost.digit) == (family, digit)
    assert 2 < cost.luts <= PROTOTYPE[family][digit]
    # A quarter of a 4:1 multiplexer of 20 bits in two LUTs a bit, over 64 lanes.
    assert 0 <= cost.draining_luts <= 0.25
    assert (cost.multipliers, cost.dsps) == (0, 0)


def test_the_measured_machine_has_values_of_one_digit():
    machine = measured_machine(4, pes=8, requantisers=2)
    assert (machine.lanes, machine.accumulator_bits) == (64, 20)
    assert machine.activation_bits == machine.digit == 4
