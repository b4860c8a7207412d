"""The check that nothing multiplies, and the resource table of whole accelerators."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bcsim.common.errors import BcsimError
from bcsim.machine.parameters import PRESETS
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.generate import multiplier_check as check
from bcsim.rtl.generate.multiplier_check import check_multipliers, count_multiplying_cells
from bcsim.rtl.generate.synth import synthesise_machine
from bcsim.rtl.generate.verilog import to_verilog
from bcsim.rtl.tools.synthesis import FAMILIES
from tests.rtl.components import Product

SMALLEST = replace(
    PRESETS["tiny"], lanes=4, pes=4, activation_words=64, weight_words=64, parameter_words=64, layers=4
)


@pytest.fixture(autouse=True)
def one_family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "FAMILIES", {"ecp5": FAMILIES["ecp5"]})


def test_an_accelerator_multiplies_nowhere(tmp_path: Path) -> None:
    (tmp_path / "accelerator.v").write_text(to_verilog(Accelerator(SMALLEST), "accelerator").text)
    found = check_multipliers(tmp_path)
    assert found.multipliers == 0
    assert found.resources["ecp5"].dsps == 0
    assert found.resources["ecp5"].memories > 0
    assert json.loads((tmp_path / "resources.json").read_text())["multipliers"] == 0


def test_a_product_is_refused(tmp_path: Path) -> None:
    (tmp_path / "accelerator.v").write_text(to_verilog(Product(), "accelerator").text)
    message = "The design multiplies: 1 cells before synthesis, DSP blocks {'ecp5': 1}"
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        check_multipliers(tmp_path)
    with pytest.raises(BcsimError, match=r"^The design multiplies: 1 cells before synthesis$"):
        count_multiplying_cells(tmp_path)
    assert not (tmp_path / "resources.json").exists()


def test_the_array_is_part_of_the_whole() -> None:
    found = synthesise_machine(SMALLEST, FAMILIES["ice40"])
    assert 0 < found.array.luts < found.whole.luts
    assert found.other_luts == found.whole.luts - found.array.luts
    assert found.array_luts_per_lane == found.array.luts / 16
    assert (found.whole.dsps, found.multipliers) == (0, 0)
