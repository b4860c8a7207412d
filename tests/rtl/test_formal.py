# amaranth: UnusedElaboratable=no
"""The processing element and the requantiser equal their definitions for all inputs, at small widths."""

from dataclasses import replace

import pytest

from bcsim.common.errors import BcsimError
from bcsim.machine.latency import write_cycles
from bcsim.machine.parameters import PRESETS
from bcsim.rtl.datapath.processing_element import ProcessingElement
from bcsim.rtl.formal.processing_element import ElementProof
from bcsim.rtl.formal.prove import prove
from bcsim.rtl.formal.requantiser import RequantiserProof

pytest.importorskip("pyosys", reason="proofs need Yosys (the hdl extra)")


@pytest.mark.parametrize(
    ("lanes", "digit", "digits", "width", "doubling"),
    [
        (2, 1, 1, 4, False),
        (4, 1, 1, 6, True),
        (6, 1, 3, 8, False),
        (4, 2, 2, 8, False),
        (4, 4, 1, 8, True),
        (6, 4, 1, 8, False),
    ],
)
def test_a_processing_element_adds_what_its_lanes_match(lanes, digit, digits, width, doubling):
    element = ProcessingElement(lanes=lanes, digit=digit, digits=digits, width=width, doubling=doubling)
    prove(ElementProof(element), steps=10)


def test_an_element_written_for_six_input_luts_adds_the_same():
    element = ProcessingElement(lanes=6, digit=4, digits=1, width=8, doubling=False, six_input_luts=True)
    prove(ElementProof(element), steps=10)


@pytest.mark.parametrize(("digit", "digits", "doubling"), [(1, 1, True), (1, 2, False)])
def test_an_element_keeps_the_sums_of_a_strip_apart(digit, digits, doubling):
    element = ProcessingElement(lanes=2, digit=digit, digits=digits, width=4, doubling=doubling, reuse=2)
    prove(ElementProof(element), steps=10)


class OneMore(ElementProof):
    """Claims a sum that is greater by one."""

    def _definition(self):
        return super()._definition() + 1


def test_a_wrong_claim_about_an_element_is_refuted():
    element = ProcessingElement(lanes=4, digit=1, digits=1, width=6, doubling=False)
    with pytest.raises(BcsimError, match=r"^Yosys failed: Called with -verify and proof did fail!$"):
        prove(OneMore(element), steps=10)


def small_machine(digit, bits, fraction_bits):
    return replace(
        PRESETS["tiny"],
        digit=digit,
        activation_bits=max(digit, bits),
        accumulator_bits=4,
        fraction_bits=fraction_bits,
    )


@pytest.mark.parametrize(("digit", "bits", "fraction_bits"), [(1, 1, 0), (4, 1, 1), (2, 2, 1), (1, 3, 0)])
@pytest.mark.parametrize("search", [False, True], ids=["divide", "search"])
def test_a_requantiser_divides_and_counts_thresholds(digit, bits, fraction_bits, search):
    proof = RequantiserProof(small_machine(digit, bits, fraction_bits), bits=bits, search=search)
    prove(proof, steps=3 * write_cycles(bits, search))


@pytest.mark.parametrize(("bits", "fraction_bits"), [(1, 1), (2, 0), (2, 1)])
@pytest.mark.parametrize("search", [False, True], ids=["divide", "search"])
def test_a_requantiser_of_two_cycles_a_bit(bits, fraction_bits, search):
    machine = replace(small_machine(2, bits, fraction_bits), divide_cycles=2)
    prove(RequantiserProof(machine, bits=bits, search=search), steps=3 * write_cycles(bits, search, 2))


class Rounding(RequantiserProof):
    """Claims the quotient's ceiling."""

    def _divided(self, q):
        return super()._divided(q - 1)


def test_a_wrong_claim_about_a_requantiser_is_refuted():
    proof = Rounding(small_machine(2, 2, 0), bits=2, search=False)
    with pytest.raises(BcsimError, match=r"^Yosys failed: Called with -verify and proof did fail!$"):
        prove(proof, steps=3 * write_cycles(2, False))
