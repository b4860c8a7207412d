"""The register map as a C header, from the one map in rtl/common/register_map.py."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from shutil import copyfile

from bcsim.common.escape import comment
from bcsim.common.version import __version__
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.rtl.common.register_map import (
    IDENTIFICATION,
    PARAMETERS,
    VERSION,
    Control,
    Error,
    ProgramMemory,
    Register,
    Status,
    parameter_address,
)

__all__ = ["design_header", "register_header", "write_library"]

SOURCES = Path(__file__).with_name("c")

FLAGS: tuple[type[IntEnum] | type[Control] | type[Status] | type[Error], ...] = (Control, Status, Error)


def register_header() -> str:
    """bcsim_registers.h: addresses, bits and numbers, as constants of the preprocessor."""
    lines = [
        "/* Registers of an accelerator on its AXI4-Lite bus, byte addresses; docs/registers.md tells them. */",
        "#ifndef BCSIM_REGISTERS_H",
        "#define BCSIM_REGISTERS_H",
        "",
        *_constants("", {"IDENTIFICATION_VALUE": IDENTIFICATION, "VERSION_VALUE": VERSION}),
        "",
        *_constants("REG_", {register.name: register.value for register in Register}),
    ]
    for flags in FLAGS:
        lines += ["", *_constants(f"{flags.__name__.upper()}_", {flag.name: flag.value for flag in flags})]
    lines += [
        "",
        "/* Numbers for MEMORY. */",
        *_constants("MEMORY_", {memory.name: memory.value for memory in ProgramMemory}),
        "",
        "/* The machine's parameters, read only. */",
        *_constants("PARAMETER_", {name.upper(): parameter_address(i) for i, name in enumerate(PARAMETERS)}),
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def design_header(mapping: Mapping, checksum: int) -> str:
    """design.h: what one network on one machine looks like to its host.

    Shapes are of the first layer's input, in (row, column, channel) order. A packed input's positions are the windows
    of the first convolution. No result comes before as many images were sent as the machine takes at once.

    checksum : of the program, what CHECKSUM reads.
    """
    program, machine = mapping.program, mapping.machine
    geometry = program.layers[0].geometry
    pads, kernel, stride = geometry.pads, geometry.kernel, geometry.stride
    constants = {
        "FINGERPRINT": machine.fingerprint,
        "CHECKSUM": checksum,
        "INPUTS": program.inputs,
        "LEVELS": program.input.stream.levels,
        "CLASSES": program.classes,
        "INPUT_BYTES": machine.input_bytes,
        "IMAGES_AT_ONCE": mapping.images,
        "IMAGE_BYTES": mapping.beats * machine.input_bytes,
        "HEIGHT": geometry.height,
        "WIDTH": geometry.width,
        "CHANNELS": geometry.channels[0],
        "PACKED": int(mapping.packed),
        "KERNEL_HEIGHT": kernel[0],
        "KERNEL_WIDTH": kernel[1],
        "STRIDE_DOWN": stride[0],
        "STRIDE_RIGHT": stride[1],
        "PAD_TOP": pads[0],
        "PAD_LEFT": pads[1],
        "PAD_BOTTOM": pads[2],
        "PAD_RIGHT": pads[3],
        "PAD_LEVEL": geometry.pad_level,
    }
    heading = f"/* bcsim {__version__}: the network {comment(program.name)}. */"
    guard = ["#ifndef BCSIM_DESIGN_H", "#define BCSIM_DESIGN_H", ""]
    return "\n".join([heading, *guard, *_constants("DESIGN_", constants), "", "#endif"]) + "\n"


def write_library(folder: Path, mapping: Mapping, checksum: int) -> None:
    """The headers of a design and the sources that pack its images, in a new folder."""
    folder.mkdir()
    (folder / "bcsim_registers.h").write_text(register_header())
    (folder / "design.h").write_text(design_header(mapping, checksum))
    for name in ("bcsim_pack.h", "bcsim_pack.c"):
        copyfile(SOURCES / name, folder / name)


def _constants(prefix: str, values: dict[str, int] | dict[str | None, int]) -> Iterator[str]:
    for name, value in values.items():
        yield f"#define BCSIM_{prefix}{name} {value:#x}u"
