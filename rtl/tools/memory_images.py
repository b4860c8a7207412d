"""Memory contents as files beside the Verilog, read there by $readmemh."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amaranth.hdl import Shape
from amaranth.hdl._ir import Design
from amaranth.hdl._mem import MemoryInstance

__all__ = ["MemoryImage", "initialise_memories", "mark_memories", "take_images", "without_contents"]

CONTENTS = re.compile(r"^  cell \$meminit_v2 .*?^  end\n", re.MULTILINE | re.DOTALL)
MODULE = re.compile(r"^module \\(\S+)\n", re.MULTILINE)
MEMORY = re.compile(r"^  memory width \d+ size \d+ \\(\S+)\n", re.MULTILINE)
INITIALISATION = re.compile(
    r"^  initial begin : initialise_\w+\n.*?(?P<name>\w+|\\\S+ )(?:\[word\] = 0|\));\n.*?^  end\n",
    re.MULTILINE | re.DOTALL,
)
IMAGE_FILE = re.compile(r'bcsim_image = "(.*)"')
VERILOG_MEMORY = re.compile(
    r"(?P<marks>(?:^ *\(\* bcsim_\w+ = .* \*\)\n)*)"
    r"(?P<declaration>^  reg (?:\[\d+:0\] )?(?P<name>\w+|\\\S+ ) \[(?P<last>\d+):0\];\n)",
    re.MULTILINE,
)

SHALLOW = 32
"""Words of a memory without writes up to which synthesis may choose LUTs: deeper ones took it hundreds for a block."""


@dataclass(frozen=True, slots=True)
class MemoryImage:
    """The words of one memory at power-up.

    module, memory : Amaranth's names of both. width : bits of a word. words : beyond them the memory holds 0.
    prefix : of the file's name. inline : the words are in the Verilog, not in a file.
    """

    module: str
    memory: str
    width: int
    words: Sequence[int]
    prefix: str = ""
    inline: bool = False

    @property
    def file(self) -> str:
        """The path of the memory below the top module, joined by underscores."""
        return self.prefix + "_".join([*self.module.split(".")[1:], self.memory]) + ".mem"

    @property
    def used(self) -> int:
        """Words up to the last that is not 0: those in the file."""
        return max(index for index, word in enumerate(self.words) if word) + 1

    @property
    def text(self) -> str:
        """A word a line, hexadecimal, from address 0 up to the last that is not 0."""
        digits = (self.width + 3) // 4
        return "".join(f"{word:0{digits}x}\n" for word in self.words[: self.used])


def take_images(design: Design, prefix: str = "") -> list[MemoryImage]:
    """The contents of every memory that is not all zeros, taken out of the design, for files of a prefix.

    In a netlist every bit of a memory is an object of its own: seconds for a network that files hold in no time.
    """
    images = []
    for fragment, info in design.fragments.items():
        if isinstance(fragment, MemoryInstance):
            data = fragment._data
            width = Shape.cast(data.shape).width
            module, name, inline = ".".join(info.name[:-1]), info.name[-1], "bcsim_inline" in fragment._attrs
            image = MemoryImage(module, name, width, data._init._raw, prefix, inline)
            data._init._raw = ()
            if any(image.words):
                images.append(image)
    return images


def mark_memories(rtlil: str, images: Sequence[MemoryImage]) -> str:
    """RTLIL in which memories with an image have an attribute that names its file."""
    files = {(image.module, image.memory): image.file for image in images}
    parts = MODULE.split(CONTENTS.sub("", rtlil))
    marked = [parts[0]]
    for module, body in zip(parts[1::2], parts[2::2], strict=True):
        marked.append(f"module \\{module}\n{_mark(body, module, files)}")
    return "".join(marked)


def _mark(body: str, module: str, files: Mapping[tuple[str, str], str]) -> str:
    def mark(memory: re.Match[str]) -> str:
        file = files.get((module, memory[1]))
        return f'  attribute \\bcsim_image "{file}"\n{memory[0]}' if file else memory[0]

    return MEMORY.sub(mark, body)


def initialise_memories(verilog: str, images: Sequence[MemoryImage]) -> str:
    """Verilog whose marked memories are read from their files, and whose other words start as zeros.

    Blank ones, which have the attribute bcsim_blank, start as anything. Those that are written and have bcsim_block are
    block memories, shallow as they may be.

    No word is given twice: of two contents Yosys keeps the first, simulators the last.

    Memories with registered reads get Yosys' attribute for memories that are never read where they are being
    written: without it a fifth of a small accelerator's LUTs would go into giving such reads the old word. Those that
    nothing writes get another, so that all but shallow ones are block memories.
    """
    files = {image.file: image for image in images}
    return VERILOG_MEMORY.sub(lambda memory: _initialise(memory, files), verilog)


def without_contents(verilog: str) -> str:
    """Verilog whose memories start as anything, but for those that nothing writes; large ones take minutes to fill."""

    def keep(block: re.Match[str]) -> str:
        end = verilog.index("endmodule", block.end())
        return "" if _is_written(block["name"], verilog[block.end() : end]) else block[0]

    return INITIALISATION.sub(keep, verilog)


def _initialise(memory: re.Match[str], images: Mapping[str, MemoryImage]) -> str:
    """The declaration of a memory and the block that fills it, from its file as far as that goes."""
    name, last, marks = memory["name"], int(memory["last"]), memory["marks"]
    if "bcsim_blank" in marks:
        return f"  (* no_rw_check *)\n{memory['declaration']}"
    marked = IMAGE_FILE.search(marks)
    image = images[marked[1]] if marked else None
    first = image.used if image else 0
    block = "initialise_" + re.sub(r"\W", "", name)
    read = _filled(name, image) if image else ""
    zeros = f"    for (word = {first}; word <= {last}; word = word + 1) {name}[word] = 0;\n"
    body = read if first > last else f"    integer word;\n{zeros}{read}"
    module = memory.string[memory.end() : memory.string.index("endmodule", memory.end())]
    told = _attributes(name, module, last + 1, "bcsim_block" in marks)
    return f"{told}{memory['declaration']}  initial begin : {block}\n{body}  end\n"


def _filled(name: str, image: MemoryImage) -> str:
    if image.inline:
        words = enumerate(image.words[: image.used])
        return "".join(f"    {name}[{index}] = {image.width}'h{word:x};\n" for index, word in words)
    # Without a range simulators warn of a file that does not fill the memory.
    return f'    $readmemh("{image.file}", {name}, 0, {image.used - 1});\n'


def _attributes(name: str, module: str, words: int, block: bool) -> str:
    """What synthesis is told of a memory that a module reads."""
    if f" <= {name}[" not in module:
        return ""
    if _is_written(name, module):
        style = ', ram_style = "block"' if block else ""
    else:
        style = "" if words <= SHALLOW else ', rom_style = "block"'
    return f"  (* no_rw_check{style} *)\n"


def _is_written(name: str, module: str) -> bool:
    return re.search(rf"{re.escape(name)}\[[^\]\n]*\](?:\[[^\]\n]*\])? *<= ", module) is not None
