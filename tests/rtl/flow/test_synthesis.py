"""What large arrays are synthesised by."""

import re
from fnmatch import filter as matching

from bcsim.machine.parameters import parse_machine
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.flow.synthesis import KEPT
from bcsim.rtl.generate.verilog import to_verilog


def test_every_module_that_is_kept_whole_exists() -> None:
    """Yosys passes over a name that nothing has."""
    machine = parse_machine("tiny,lanes=4,pes=4,requantisers=2,pipeline_registers=1")
    names = re.findall(r"^module (\w+)", to_verilog(Accelerator(machine), "top").text, re.MULTILINE)
    assert {pattern for pattern in KEPT.split() if not matching(names, pattern)} == set()
