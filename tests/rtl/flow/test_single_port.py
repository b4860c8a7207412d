"""iCE40 UP5K's single-port memories in place of activation banks."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("amaranth_boards", reason="the extra [fpga] is not installed")

from bcsim.machine.parameters import parse_machine
from bcsim.rtl.boards.catalogue import find_board
from bcsim.rtl.common.activation_bank import ActivationBank
from bcsim.rtl.flow.advice import require_memories
from bcsim.rtl.flow.place import DoesNotFitError
from bcsim.rtl.flow.single_port import single_port_banks, single_port_memories
from bcsim.rtl.generate.verilog import to_verilog

TINY = "tiny,weight_words=360,parameter_words=200"


@pytest.mark.parametrize(
    ("text", "memories"),
    [
        ("tiny,activation_banks=2,activation_words=32768", 4),
        ("tiny,activation_banks=2,activation_words=128", 4),
        ("tiny,lanes=16,activation_banks=2,activation_words=128", 8),
        ("tiny,lanes=2,pes=2,requantisers=1,input_bytes=1,activation_banks=2,activation_words=64", 2),
        ("tiny,activation_banks=2,activation_words=65536", 0),
        ("tiny,digit=1,requantisers=2,activation_banks=2,activation_words=128", 0),
        ("tiny,activation_words=128", 0),
    ],
)
def test_how_many_a_machine_takes(text: str, memories: int) -> None:
    assert single_port_memories(parse_machine(text)) == memories


@pytest.mark.parametrize(
    "text", ["tiny,activation_words=256", "tiny,lanes=2,pes=2,requantisers=1,activation_words=32"]
)
def test_the_ports_are_those_of_the_module_that_they_replace(text: str) -> None:
    machine = parse_machine(f"{text},activation_banks=2")
    replaced = to_verilog(ActivationBank(machine), "activation_bank").text
    ours = single_port_banks(machine)
    for found in (replaced, ours):
        assert re.search(r"^module activation_bank\((.*)\);$", found, re.MULTILINE)
    ports = r"^  (?:input|output) .*;$|^module .*$"
    assert re.findall(ports, ours, re.MULTILINE) == re.findall(ports, replaced, re.MULTILINE)


def test_activations_in_single_port_memories_take_no_block_memories() -> None:
    board = find_board("icebreaker")
    require_memories(board, parse_machine(f"{TINY},activation_words=32768,activation_banks=2"))
    with pytest.raises(DoesNotFitError, match="its memories hold 1,"):
        require_memories(board, parse_machine(f"{TINY},activation_words=32768"))
