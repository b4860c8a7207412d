"""The register map against its documentation."""

import re
from pathlib import Path

from bcsim.machine.parameters import FORMS, OPTIONAL, OUTSIDE, SURROUNDINGS, Machine
from bcsim.rtl.common.register_map import PARAMETERS, Register

UNREAD = OPTIONAL.keys() - {"weight_stream_bytes"}
"""What most machines do not have: the fingerprint alone tells it."""

DOCUMENT = Path(__file__).parents[3] / "docs" / "registers.md"


def test_the_documented_registers_are_the_hardwares():
    rows = re.findall(r"^\| 0x([0-9A-F]{2}) \| ([A-Z_]+) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert [(int(address, 16), name) for address, name in rows] == [(r.value, r.name) for r in Register]


def test_every_shape_parameter_can_be_read():
    left_out = {*OUTSIDE, *SURROUNDINGS, *FORMS, *UNREAD}
    shaping = {name for name in Machine.__dataclass_fields__ if name not in left_out}
    assert set(PARAMETERS) == shaping
    assert len(PARAMETERS) == len(shaping)
