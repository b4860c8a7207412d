"""Yosys as a library in a process of its own."""

import re
from pathlib import Path

import pytest

from bcsim.common.errors import BcsimError
from bcsim.rtl.tools import yosys
from bcsim.rtl.tools.yosys import run_yosys


def test_passes_run_in_the_folder_and_the_log_comes_back(tmp_path: Path) -> None:
    (tmp_path / "design.v").write_text("module top(input a, output b); assign b = ~a; endmodule\n")
    log = run_yosys("read_verilog design.v\nstat\nwrite_rtlil design.il", cwd=tmp_path)
    assert "=== top ===" in log
    assert "cell $not" in (tmp_path / "design.il").read_text()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("read_verilog missing.v", "Yosys failed: File `missing.v' not found or is a directory"),
        ("no_such_pass", "Yosys failed: No such command: no_such_pass (type 'help' for a command overview)"),
    ],
)
def test_a_failing_pass_is_told_in_yosys_own_words(tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        run_yosys(script, cwd=tmp_path)


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yosys, "find_spec", lambda name: None)
    message = "Yosys is needed here: install the hdl extra (pip install 'bcsim[hdl]'), which has it as pyosys"
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        run_yosys("stat", cwd=tmp_path)
