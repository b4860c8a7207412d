"""What other tools take an accelerator with: FuseSoC, Vivado, LiteX, and constraints of its clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from bcsim.common.escape import comment, tcl_word, yaml_string
from bcsim.common.version import __version__
from bcsim.machine.parameters import Machine
from bcsim.rtl.generate.axi_wrapper import axi_wrapper
from bcsim.rtl.generate.verilog import Port, Verilog

__all__ = ["flow_files", "write_flow_files"]

TEMPLATES = Path(__file__).parent / "templates"


def write_flow_files(
    folder: Path, name: str, title: str, machine: Machine, verilog: Verilog, *, line: str = ""
) -> None:
    """The files of `flow_files` in `folder`; line : the first of Verilog, by which a design's files know each other."""
    for file, text in flow_files(name, title, machine, verilog).items():
        (folder / file).write_text((line if file.endswith(".v") else "") + text)


def flow_files(name: str, title: str, machine: Machine, verilog: Verilog) -> Mapping[str, str]:
    """File names and texts for the top module `name`; title : what the design is, in any characters."""
    period = 1000 / machine.clock_mhz
    images = sorted(verilog.images)
    return {
        f"{name}_axi.v": axi_wrapper(name, verilog.ports),
        f"{name}.core": _core(name, title, images),
        f"package_{name}.tcl": _vivado(name, title, images),
        f"litex_{name}.py": _litex(name, title, verilog.ports),
        f"{name}.sdc": f"create_clock -name clk -period {period:.3f} [get_ports clk]\n",
        f"{name}_axi.xdc": f"create_clock -name aclk -period {period:.3f} [get_ports aclk]\n",
        f"{name}.lpf": f'FREQUENCY PORT "clk" {machine.clock_mhz:g} MHZ;\n',
    }


def _core(name: str, title: str, images: Sequence[str]) -> str:
    """A core of FuseSoC (CAPI2); memory images go to the folder that a tool works in."""
    files = [f"      - {name}.v : {{file_type : verilogSource}}"]
    files += [f"      - {image} : {{file_type : user, copyto : {image}}}" for image in images]
    return "\n".join(
        [
            "CAPI=2:",
            f"name: bcsim:accelerators:{name}:{__version__}",
            f"description: {yaml_string(title)}",
            "filesets:",
            "  rtl:",
            "    files:",
            *files,
            "  axi:",
            "    files:",
            f"      - {name}_axi.v : {{file_type : verilogSource}}",
            "targets:",
            "  default:",
            "    filesets: [rtl]",
            f"    toplevel: {name}",
            "  axi:",
            "    filesets: [rtl, axi]",
            f"    toplevel: {name}_axi",
            "",
        ]
    )


def _vivado(name: str, title: str, images: Sequence[str]) -> str:
    """A script that packages the wrapper as a core of Vivado: vivado -mode batch -source package_NAME.tcl."""
    return _template("package.tcl.j2").render(
        name=name, title=tcl_word(title), images=images, version=".".join(__version__.split(".")[:2])
    )


def _litex(name: str, title: str, ports: Sequence[Port]) -> str:
    """A module of LiteX with streams and a bus."""
    words = "".join(part.capitalize() for part in name.split("_"))
    widths = {port.name: port.width for port in ports}
    return _template("litex.py.j2").render(
        name=name,
        words=words,
        title=comment(title),
        ports=ports,
        image_bits=widths["s_axis_tdata"],
        weight_bits=widths.get("s_axis_weights_tdata"),
    )


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string((TEMPLATES / name).read_text())
