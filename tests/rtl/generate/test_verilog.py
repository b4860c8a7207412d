"""Generated Verilog: its names, its memory files, and that it still does what the component does."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bcsim.machine.parameters import PRESETS
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.bench.simulator import build, lint, run
from bcsim.rtl.common.loaded_memory import LoadedMemory
from bcsim.rtl.generate.project import BENCH
from bcsim.rtl.generate.verilog import Port, Verilog, to_verilog
from bcsim.rtl.tools.yosys import run_yosys
from tests.rtl.components import Chain


@pytest.fixture(scope="module")
def chain() -> Verilog:
    return to_verilog(Chain(), "chain")


@pytest.fixture(scope="module")
def accelerator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("accelerator") / "accelerator.v"
    path.write_text(to_verilog(Accelerator(PRESETS["tiny"]), "accelerator").text)
    return path


def module(verilog: Verilog, name: str) -> str:
    return re.search(rf"^module {name}\(.*?^endmodule$", verilog.text, re.MULTILINE | re.DOTALL)[0]


def test_equal_modules_are_written_once_and_named_after_their_class(chain: Verilog) -> None:
    names = re.findall(r"^module (\w+)", chain.text, re.MULTILINE)
    assert sorted(names) == ["chain", "running_sum", "running_sum_1"]
    instances = re.findall(r"^  (running_sum\w*) (\w+) \($", module(chain, "chain"), re.MULTILINE)
    assert instances == [("running_sum", "sum_0"), ("running_sum", "sum_1"), ("running_sum_1", "sum_2")]


def test_ports_are_the_members_of_the_signature_in_their_order(chain: Verilog) -> None:
    assert "module chain(clk, rst, address, total, busy);" in chain.text
    assert "module running_sum(clk, rst, value, total);" in chain.text
    assert chain.ports[:3] == (
        Port("address", "input", 2),
        Port("total", "output", 8),
        Port("busy", "output", 1),
    )


def test_modules_have_their_documentation(chain: Verilog) -> None:
    assert "// The sum of all inputs so far.\nmodule running_sum(" in chain.text


def test_states_and_next_states_are_named(chain: Verilog) -> None:
    assert "reg fsm_state = 1'h0;  // 0 Wait, 1 Work\n" in chain.text
    assert "total <= total_next;" in module(chain, "running_sum")


def test_nothing_of_the_tools_is_left(chain: Verilog) -> None:
    assert "$auto" not in chain.text
    assert set(re.findall(r"\(\*.*\*\)", chain.text)) == {"(* no_rw_check *)"}
    assert "port$" not in chain.text


def test_the_accelerators_ports_have_names_that_stay(accelerator: Path) -> None:
    """Amaranth numbers a port that several members share by the cell behind it, which every change moves."""
    text = accelerator.read_text()
    assert not re.findall(r"\b(?:io)?port_\d+\w*", text)
    assert (
        "module round_phases(clk, rst, begin_, round, load, step, done, search, probe, fetch, odd, select, place,"
        in text
    )


def test_memory_contents_are_files(chain: Verilog) -> None:
    assert chain.images == {"table.mem": "01\n02\n03\nfa\n"}
    assert '$readmemh("table.mem"' in chain.text


@pytest.mark.parametrize(
    ("words", "loads", "block"), [(33, False, True), (32, False, False), (33, True, False)]
)
def test_memories_that_nothing_writes_are_blocks_unless_shallow(words: int, loads: bool, block: bool) -> None:
    memory = LoadedMemory(width=6, depth=words, init=range(words), loads=loads)
    text = to_verilog(memory, "table").text
    assert ('(* no_rw_check, rom_style = "block" *)\n  reg [5:0] words [' in text) == block
    assert ("(* no_rw_check *)\n  reg [5:0] words [" in text) != block


BENCHED = """
import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

@cocotb.test()
async def totals(dut):
    dut.rst.value, dut.address.value = 1, 0
    Clock(dut.clk, 10, "ns").start()
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    totals = []
    for address in (0, 1, 2, 3, 3, 0, 0):
        dut.address.value = address
        await FallingEdge(dut.clk)
        totals.append((int(dut.total.value), int(dut.busy.value)))
    assert totals == {totals}
"""


def expected_totals() -> list[tuple[int, int]]:
    """The chain in plain Python, from the reset's end."""
    table, scratch, sums, busy = [1, 2, 3, 250], [1, 0, 0, 0], [0, 0, 5], 0
    read = back = 1
    result = []
    for address in (0, 1, 2, 3, 3, 0, 0):
        values = [read, sums[0], sums[1]]
        back, scratch[address] = scratch[address], read
        sums = [(total + value) % 256 for total, value in zip(sums, values, strict=True)]
        read = table[address]
        busy = busy or int(address == 3)
        result.append((sums[2] ^ back, busy))
    return result


@pytest.mark.rtl
@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_verilog_does_what_the_component_does(chain: Verilog, simulator: str, tmp_path: Path) -> None:
    if simulator == "icarus" and shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed")
    for name, text in {"chain.v": chain.text, **chain.images}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "bench_of_chain.py").write_text(BENCHED.replace("{totals}", str(expected_totals())))
    build(tmp_path / "build", [tmp_path / "chain.v"], "chain", simulator=simulator)
    passed = run(
        tmp_path / "build",
        "bench_of_chain",
        "chain",
        simulator=simulator,
        cwd=tmp_path,
    )
    assert passed, (tmp_path / "simulation.log").read_text()


def test_every_block_is_evaluated_at_time_zero(accelerator: Path) -> None:
    """Also one that copies a single value, which may never change before it is read."""
    modules = accelerator.read_text().split("\nmodule ")
    blocks = [re.findall(r"always @\*(.*\n.*)", text) for text in modules]
    assert sum(map(len, blocks)) > 20
    for text, found in zip(modules, blocks, strict=True):
        assert all("begin\n    if (at_time_zero) begin end" in block for block in found)
        assert bool(found) == ("  reg at_time_zero;\n" in text)


def test_accelerator_is_clean_in_verilator(accelerator: Path) -> None:
    assert lint(accelerator, "accelerator", BENCH / "lint.vlt") == ""


def test_lint_reports_what_is_not_waived(tmp_path: Path) -> None:
    source = tmp_path / "latch.v"
    source.write_text("module latch(input a, input b, output reg c); always @* if (a) c = b; endmodule\n")
    assert "%Warning-LATCH" in lint(source, "latch", BENCH / "lint.vlt")


def test_accelerator_elaborates_in_icarus_without_a_warning(accelerator: Path, tmp_path: Path) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed")
    command = ["iverilog", "-Wall", "-g2005", "-o", str(tmp_path / "out"), str(accelerator)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_accelerator_elaborates_in_yosys(accelerator: Path) -> None:
    script = "read_verilog accelerator.v\nhierarchy -check -top accelerator\nproc\ncheck -assert\n"
    run_yosys(f"{script}tee -q -o ports.json stat -json", cwd=accelerator.parent)
    modules = json.loads((accelerator.parent / "ports.json").read_text())["modules"]
    assert modules["\\accelerator"]["num_memories"] == 0
    assert any(module["num_memories"] for module in modules.values())
