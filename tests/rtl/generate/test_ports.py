"""Every port of the accelerator has a meaning."""

import re

import pytest

from bcsim.common.errors import BcsimError
from bcsim.machine.parameters import PRESETS
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.generate.ports import describe, ports_table
from bcsim.rtl.generate.verilog import Port, to_verilog


def test_the_accelerators_ports_are_all_described() -> None:
    ports = to_verilog(Accelerator(PRESETS["tiny"]), "accelerator").ports
    assert {"clk", "rst", "interrupt"} < {port.name for port in ports}
    rows = ports_table(ports).splitlines()
    assert len(rows) == len(ports) + 2
    assert (
        "| `s_axis_tdata` | input | 8 | Input words: one value in each byte, least significant byte first. |"
        in rows
    )


def test_an_unknown_port_is_refused() -> None:
    with pytest.raises(BcsimError, match=f"^{re.escape('Port mystery has no description')}$"):
        describe(Port("mystery", "input", 1))
