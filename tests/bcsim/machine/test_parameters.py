"""Machine parameters: presets, parsing, and whole messages for what no machine can be."""

import re

import pytest

from bcsim.common.errors import BcsimError
from bcsim.machine.latency import array_latency, round_cycles, tree_levels, write_cycles
from bcsim.machine.parameters import MEDIUM, PRESETS, WORDS, Machine, parse_machine


def test_presets_parse_to_themselves() -> None:
    for name, machine in PRESETS.items():
        assert parse_machine(name) is machine
        assert machine.name == name


def test_parameters_change_a_preset() -> None:
    machine = parse_machine("small, lanes=64 ,digit=4,shift_planes=yes,clock_mhz=12.5")
    assert (machine.lanes, machine.digit, machine.shift_planes, machine.clock_mhz) == (64, 4, True, 12.5)
    assert machine.pes == PRESETS["small"].pes
    assert machine.name == "custom"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "huge",
            "Unknown machine 'huge'; the presets are tiny, small, medium, large, bnn, conv, conv-bnn, "
            "or give parameters such as lanes=32,pes=32,digit=8",
        ),
        ("lanes=7,requantisers=1", "Machine parameter lanes must be even (lanes work in pairs), not 7"),
        ("lanes=0", "Machine parameter lanes must be from 2 to 1024, not 0"),
        ("lanes=two", "Machine parameter lanes must be a number, not 'two'"),
        ("small,lanes", "Machine parameter 'lanes' must have the form name=value"),
        ("tiny,=4", "Machine parameter '=4' must have the form name=value"),
        ("==", "Machine parameter '==' must have the form name=value"),
        ("lanes==4", "Machine parameter 'lanes==4' must have the form name=value"),
        (
            "tiny,lanes=8,lanes=9",
            "Machine parameter lanes is given twice, the second time as '9'; give it once",
        ),
        (
            " ,",
            "Machine ' ,' names nothing; give a preset (tiny, small, medium, large, bnn, conv, conv-bnn) or parameters "
            "such as lanes=32",
        ),
        (
            "digits=3",
            "Unknown machine parameter 'digits'; did you mean digit? bcsim machines lists all with their values",
        ),
        ("x=3", "Unknown machine parameter 'x'; bcsim machines lists all with their values"),
        ("name=x", "Unknown machine parameter 'name'; bcsim machines lists all with their values"),
        ("digit=3", "Machine parameter digit must be one of 1, 2, 4, 8, not 3"),
        ("activation_bits=4", "Machine parameter activation_bits must be from digit (8) to 8, not 4"),
        ("requantisers=5", "Machine parameter requantisers must divide lanes (32), not 5"),
        ("pes=24", "Machine parameter requantisers must divide pes (24), not 16"),
        (
            "input_bytes=3",
            "Machine parameter input_bytes must be a power of two that divides lanes (32), not 3",
        ),
        ("shift_planes=maybe", "Machine parameter shift_planes must be true or false, not 'maybe'"),
        ("clock_mhz=0", "Machine parameter clock_mhz must be above 0 and at most 10000, not 0.0"),
        ("conv,reuse=3", "Machine parameter reuse must be a power of two from 1 to 16, not 3"),
        ("conv,drains=2", "Machine parameter drains must be 1 where reuse is 1, not 2"),
        ("conv,reuse=4,drains=3", "Machine parameter drains must be from 1 to 2, not 3"),
        ("conv,reuse=4,batch=8", "Machine parameter batch must be a power of two up to reuse (4), not 8"),
        ("conv,reuse=4,batch=3", "Machine parameter batch must be a power of two up to reuse (4), not 3"),
        ("medium,batch=2", "Machine parameter batch must be a power of two up to reuse (1), not 2"),
        ("conv,reuse=32", "Machine parameter reuse must be from 1 to 16, not 32"),
        (
            "small,reuse=4",
            "Machine parameter spatial must be true where reuse is above 1 (4): a weight is used again at other "
            "positions",
        ),
        (
            "conv,reuse=4,pes=48,requantisers=16",
            "Machine parameter pes must be a multiple of lanes (32) where reuse is above 1, not 48",
        ),
        (
            "record_bits=chunks:3 chunks:4",
            "Machine parameter record_bits must name a field once, not 'chunks' again",
        ),
        (
            "record_bits=tiles:2 chunks:17",
            "Machine parameter record_bits must give chunks at most 16 bits, not 17",
        ),
        (
            "accumulator_bits=40,fraction_bits=20",
            "Machine parameters accumulator_bits and fraction_bits must not exceed 50 together, not 40 and 20",
        ),
    ],
)
def test_impossible_machines_are_named(text: str, message: str) -> None:
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        parse_machine(text)


def test_a_machine_made_in_python_is_checked_too() -> None:
    with pytest.raises(
        BcsimError, match=r"^Machine parameter pes must be an integer from 1 to 1024, not 2\.5$"
    ):
        Machine(pes=2.5)  # type: ignore[arg-type]
    with pytest.raises(BcsimError, match=r"^Machine parameter parity must be true or false, not 'no'$"):
        Machine(parity="no")  # type: ignore[arg-type]


def test_a_field_that_no_record_has_is_told() -> None:
    with pytest.raises(
        BcsimError,
        match=r"^Machine parameter record_bits names 'chonks', which no record has; the fields are chunks, digits, ",
    ):
        parse_machine("tiny,record_bits=chunks:3 chonks:2")


def test_fingerprints_tell_machines_apart_but_not_their_names() -> None:
    assert Machine(name="a").fingerprint == Machine(name="b", clock_mhz=7.0).fingerprint
    assert Machine().fingerprint != Machine(pes=64).fingerprint
    assert PRESETS["conv"].fingerprint != parse_machine("conv,reuse=2").fingerprint
    assert parse_machine("conv,reuse=4").fingerprint != parse_machine("conv,reuse=4,batch=2").fingerprint


def test_machines_keep_their_fingerprints_while_words_mean_the_same() -> None:
    assert WORDS == 2
    assert f"{MEDIUM.fingerprint:08x}" == "99b33a73"
    assert f"{PRESETS['conv'].fingerprint:08x}" == "8dbab4b8"


@pytest.mark.parametrize(("lanes", "levels"), [(2, 0), (4, 1), (6, 2), (8, 2), (32, 4), (34, 5)])
def test_tree_levels_are_those_of_the_pairs(lanes: int, levels: int) -> None:
    machine = Machine(lanes=lanes, pes=2, requantisers=1, input_bytes=1)
    assert tree_levels(machine) == levels
    assert array_latency(machine) == 5 + levels


def test_digits_narrower_than_activations_add_a_stage() -> None:
    assert array_latency(parse_machine("digit=4")) == array_latency(MEDIUM) + 1


def test_rounds_take_a_cycle_a_bit_and_two_more() -> None:
    assert round_cycles(8, search=False) == 8
    assert round_cycles(1, search=False) == 1
    assert round_cycles(2, search=True) == 8
    assert write_cycles(8, search=False) == 10
    assert write_cycles(2, search=True) == 8
