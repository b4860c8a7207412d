"""What other tools take an accelerator with, read by these tools or by stand-ins of what they offer."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.machine.parameters import Machine
from bcsim.rtl.bench.simulator import lint
from bcsim.rtl.generate.flow_files import write_flow_files
from bcsim.rtl.generate.project import write_verilog
from bcsim.rtl.generate.verilog import Verilog
from bcsim.rtl.tools.yosys import run_yosys
from tests.programs import random_program

MACHINE = Machine(
    lanes=4, pes=4, digit=4, requantisers=2, input_bytes=2, activation_words=256, shift_planes=True
)
TITLE = 'a net called "x" [exit 1] $env {brace #} \\ and µ'
NAMES = ("left_net", "right_net")


@pytest.fixture(scope="module")
def mapping() -> Mapping:
    return map_program(random_program(np.random.default_rng(4), largest=12), MACHINE)


@pytest.fixture(scope="module")
def folder(mapping: Mapping, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two accelerators in one folder."""
    made = tmp_path_factory.mktemp("two")
    for name in NAMES:
        written(made, name, mapping)
    return made


def written(made: Path, name: str, mapping: Mapping) -> Verilog:
    verilog = write_verilog(made, mapping, name)
    write_flow_files(made, name, TITLE, mapping.machine, verilog)
    return verilog


def test_two_accelerators_share_a_design(folder: Path) -> None:
    top = "module both (input clk, output a, output b);\n" + "".join(
        f"  {name}_axi {name} (.aclk(clk), .aresetn(1'b1), .interrupt({port}), .s_axis_tvalid(1'b0));\n"
        for name, port in zip(NAMES, "ab", strict=True)
    )
    (folder / "both.v").write_text(top + "endmodule\n")
    sources = " ".join(f"{name}.v {name}_axi.v" for name in NAMES)
    log = run_yosys(f"read_verilog {sources} both.v\nhierarchy -check -top both", cwd=folder)
    assert "Re-definition" not in log
    words = {
        name: set(re.findall(r'readmemh\("(.*?)"', (folder / f"{name}.v").read_text())) for name in NAMES
    }
    assert words[NAMES[0]]
    assert not words[NAMES[0]] & words[NAMES[1]]
    assert all((folder / file).is_file() for files in words.values() for file in files)


def test_names_need_no_escape_and_memory_files_no_addresses(folder: Path) -> None:
    for file in folder.glob("*.v"):
        assert "\\" not in file.read_text()
    for file in folder.glob("*.mem"):
        assert re.fullmatch(r"//[^\n]*\n(?:[0-9a-f]+\n)+", file.read_text())


def test_the_wrapper_connects_every_port(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "none.vlt").write_text("`verilator_config\n")
    both = tmp_path / "both.v"
    both.write_text((folder / "left_net.v").read_text() + (folder / "left_net_axi.v").read_text())
    said = lint(both, "left_net_axi", tmp_path / "none.vlt")
    assert "left_net_axi" in (folder / "left_net_axi.v").read_text()
    assert not re.search(r"PINMISSING|PINNOTFOUND|WIDTH\w*: .*left_net_core", said)
    text = (folder / "left_net_axi.v").read_text()
    assert 'X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF s_axis:m_axis:s_axil, ASSOCIATED_RESET aresetn"' in text
    assert text.count('"xilinx.com:interface:aximm:1.0 s_axil ') == 19


@pytest.mark.parametrize("name", ["Left", "2nd", "a b", "wire", "x" * 41, "", "a;exit"])
def test_a_name_that_is_none_is_refused(mapping: Mapping, tmp_path: Path, name: str) -> None:
    with pytest.raises(BcsimError, match=r"^Name must be a small letter and up to 39 more"):
        write_verilog(tmp_path, mapping, name)
    assert not list(tmp_path.iterdir())


VIVADO = """
set calls {}
set exits {exit 3}
foreach name {create_project add_files set_property get_files current_fileset update_compile_order
        ipx::package_project ipx::current_core ipx::create_xgui_files ipx::update_checksums ipx::check_integrity
        ipx::save_core} {
    namespace eval ::ipx {}
    proc ::$name args "lappend ::calls \\[list $name {*}\\$args\\]; return $name"
}
source [lindex $argv 0]
foreach call $calls { puts $call }
"""


@pytest.mark.skipif(shutil.which("tclsh") is None, reason="scripts for Vivado are run by tclsh")
def test_the_script_for_vivado_runs_and_the_title_is_a_word(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "vivado.tcl").write_text(VIVADO)
    command = ["tclsh", str(tmp_path / "vivado.tcl"), str(folder / "package_left_net.tcl")]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    calls = done.stdout
    assert f"{folder}/left_net.v {folder}/left_net_axi.v" in calls
    assert "set_property top left_net_axi current_fileset" in calls
    assert "a net called" in calls
    assert calls.splitlines()[-1] == "ipx::save_core ipx::current_core"


def test_the_core_is_yaml_and_lists_every_file(folder: Path) -> None:
    yaml = pytest.importorskip("yaml")
    text = (folder / "left_net.core").read_text()
    assert text.startswith("CAPI=2:\n")
    core = yaml.safe_load(text.partition("\n")[2])
    assert core["description"] == TITLE
    listed = {next(iter(file)) for part in core["filesets"].values() for file in part["files"]}
    assert listed == {"left_net.v", "left_net_axi.v", *(file.name for file in folder.glob("left_net*.mem"))}
    assert core["targets"]["axi"]["toplevel"] == "left_net_axi"


class Anything:
    """Stands for a signal, a record or a list of them."""

    def __init__(self, *_, **__):
        pass

    def __getattr__(self, name):
        return Anything()

    def __iadd__(self, other):
        return other


def test_the_module_for_litex_connects_every_port(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: dict[str, object] = {}

    class LiteXModule:
        specials = Anything()

    names = {
        "migen": {
            "Instance": lambda module, **ports: connected.update(ports, module=module),
            "Signal": Anything,
            "ClockSignal": Anything,
            "ResetSignal": Anything,
        },
        "litex.gen": {"LiteXModule": LiteXModule},
        "litex.soc.interconnect": {"stream": SimpleNamespace(Endpoint=Anything)},
        "litex.soc.interconnect.axi": {"AXILiteInterface": Anything},
    }
    for name in ("litex", "litex.soc", *names):
        module = ModuleType(name)
        vars(module).update(names.get(name, {}))
        monkeypatch.setitem(sys.modules, name, module)
    space: dict[str, object] = {"__file__": str(folder / "litex_left_net.py"), "__name__": "litex_left_net"}
    exec((folder / "litex_left_net.py").read_text(), space)
    added: list[str] = []
    space["LeftNet"](SimpleNamespace(add_source=lambda path, copy=False: added.append(Path(path).name)))  # type: ignore[operator]
    assert connected.pop("module") == "left_net"
    text = (folder / "left_net.v").read_text()
    module = text[text.index("module left_net") : text.index("endmodule")]
    ports = {
        f"{d[0]}_{name}"
        for d, name in re.findall(r"^  (input|output) (?:\[\d+:0\] )?(\w+);", module, re.MULTILINE)
    }
    assert set(connected) == ports
    assert "left_net.v" in added


def test_constraints_have_the_machines_clock(folder: Path) -> None:
    period = 1000 / MACHINE.clock_mhz
    assert (
        folder / "left_net.sdc"
    ).read_text() == f"create_clock -name clk -period {period:.3f} [get_ports clk]\n"
    assert f'PORT "clk" {MACHINE.clock_mhz:g} MHZ;' in (folder / "left_net.lpf").read_text()
    assert "[get_ports aclk]" in (folder / "left_net_axi.xdc").read_text()
