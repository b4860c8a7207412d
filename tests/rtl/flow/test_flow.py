"""The flow's own part: what it reads of the tools' words, what it says where something does not fit or is missing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("amaranth_boards", reason="the extra [fpga] is not installed")

from bcsim.common.errors import BcsimError
from bcsim.machine.parameters import parse_machine
from bcsim.rtl.boards.catalogue import find_board
from bcsim.rtl.flow import build as flow_build
from bcsim.rtl.flow.advice import advised, require_memories
from bcsim.rtl.flow.place import DoesNotFitError, Placement, place
from bcsim.rtl.flow.tools import ToolError, find_tool, run_tool

LOG = """\
Info: Device utilisation:
Info: \t         ICESTORM_LC:  {cells}/ 5280   {percent}%
Info: \t        ICESTORM_RAM:    24/   30    80%
Info: Max frequency for clock          'clk_1': 99.00 MHz (PASS at 30.00 MHz)
Info: Max frequency for clock 'clk_1_$glb_clk': 12.00 MHz (FAIL at 30.00 MHz)
Warning: Max frequency for clock 'clk_1_$glb_clk': {mhz} MHz (FAIL at 30.00 MHz)
"""
TOOL = """\
#!{python}
import sys
arguments = sys.argv[1:]
seed = int(arguments[arguments.index("--seed") + 1])
sys.stdout.write({log!r}.format(cells={cells}, percent={cells} * 100 // 5280, mhz={mhz}[seed]))
if {cells} > 5280:
    print("ERROR: Unable to place cell 'x'")
    sys.exit(1)
open(arguments[arguments.index("--asc") + 1], "w").write(str(seed))
"""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """A place and route tool on the PATH that says what a test wants."""

    def make(*, cells: int = 3343, mhz: dict[int, float]) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        path = folder / "nextpnr-ice40"
        path.write_text(TOOL.format(python=sys.executable, log=LOG, cells=cells, mhz=mhz))
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return make


def test_the_fastest_seed_is_kept_and_the_routed_clock_counts(tool, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    tool(mhz={1: 29.5, 2: 31.25, 3: 30.0})
    found = place(tmp_path, find_board("icebreaker"), 30, [1, 2, 3])
    assert (found.seed, found.mhz) == (2, 31.25)
    assert found.count("ice40") == (3343, 24)
    assert (tmp_path / "top.asc").read_text() == "2"
    assert sorted(path.name for path in tmp_path.glob("*.log")) == [f"place-{seed}.log" for seed in (1, 2, 3)]


def test_a_design_that_does_not_fit_says_by_how_much_and_what_would_do(tool, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    tool(cells=5531, mhz={1: 30.0})
    board = find_board("icebreaker")
    with pytest.raises(DoesNotFitError) as caught:
        place(tmp_path, board, 30, [1])
    assert str(caught.value) == (
        "Design does not fit iCEBreaker (iCE40 UP5K): it needs 5,531 ICESTORM_LC of 5,280 (251 too many)"
    )
    machine = parse_machine("tiny")
    assert str(advised(caught.value, board, machine)) == (
        f"{caught.value}; --board hx8k-evn has room, or a smaller machine may fit: "
        "--machine lanes=8,digit=4,input_bytes=1,pes=8,requantisers=2"
    )


def test_a_tools_failure_is_its_own_first_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "icepack"
    path.write_text("#!/bin/sh\necho 'ERROR: no such chip'\nexit 3\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(ToolError, match=r"^icepack failed: no such chip$"):
        run_tool("icepack", ["a", "b"], cwd=tmp_path, log=tmp_path / "log")
    assert (tmp_path / "log").read_text() == "$ icepack a b\nERROR: no such chip\n"


def test_a_missing_tool_says_what_installs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        BcsimError, match=r"^Neither nextpnr-none nor yowasp-nextpnr-none is installed: pip install"
    ):
        find_tool("nextpnr-none")


def test_a_machine_with_more_bits_than_the_part_is_refused_before_any_work() -> None:
    machine = parse_machine("medium,requantisers=8,weight_words=2880")
    with pytest.raises(DoesNotFitError) as caught:
        require_memories(find_board("icebreaker"), machine)
    assert str(caught.value).startswith("The design does not fit icebreaker: its memories hold 3,")
    assert "of the board 207,360 at most; --board ulx3s-85f or " in str(caught.value)
    require_memories(find_board("ulx3s-85f"), machine)
    require_memories(find_board("icebreaker"), parse_machine("tiny,weight_words=416,parameter_words=67"))


def test_a_clock_below_a_slow_placement_is_reached_by_the_next_one_though_that_differs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """cifar10-small on an iCEBreaker: 26.6 MHz, and 25.8 where less is aimed at."""
    reached = iter([26.6, 25.8])
    monkeypatch.setattr(flow_build, "_attempt", lambda *_: Placement(seed=1, mhz=next(reached), used={}))
    clock, placement = flow_build._reached(
        Path(), None, find_board("icebreaker"), None, 1_000_000, (1,), {}, False
    )
    assert (clock.hz, placement.mhz) == (25.125e6, 25.8)
    assert capsys.readouterr().err == "33 MHz not reached (26.6): once more, slower\n"
