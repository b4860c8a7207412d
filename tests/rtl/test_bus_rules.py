# amaranth: UnusedElaboratable=no
"""Every rule of AXI4-Lite and AXI4-Stream is kept, and found broken where it is broken on purpose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bcsim.common.errors import BcsimError
from bcsim.machine.parameters import PRESETS
from bcsim.rtl.formal.invariant import prove_invariant
from bcsim.rtl.formal.lite_rules import LITE_RULES, LiteRules
from bcsim.rtl.formal.stream_rules import STREAM_RULES, StreamRules
from tests.rtl.broken_bus import BROKEN, BROKEN_STREAM

pytest.importorskip("pyosys", reason="proofs need Yosys and ABC (the hdl extra)")

REFUTED = r"^Proof failed: an Assert does not hold in every cycle$"
SMALL = replace(PRESETS["tiny"], lanes=2, pes=2, requantisers=1, outputs=2, input_bytes=1)


def test_the_subordinate_keeps_every_rule_of_the_bus() -> None:
    prove_invariant(LiteRules())


@pytest.mark.parametrize("rule", LITE_RULES)
def test_a_subordinate_that_breaks_a_rule_is_found(rule: str) -> None:
    with pytest.raises(BcsimError, match=REFUTED):
        prove_invariant(LiteRules(rules=[rule], spoil=BROKEN[rule]))


def test_the_output_keeps_every_rule_of_a_transmitter() -> None:
    prove_invariant(StreamRules(SMALL, bits=2))


@pytest.mark.parametrize("rule", STREAM_RULES)
def test_an_output_that_breaks_a_rule_is_found(rule: str) -> None:
    with pytest.raises(BcsimError, match=REFUTED):
        prove_invariant(StreamRules(SMALL, bits=2, rules=[rule], spoil=BROKEN_STREAM[rule]))
