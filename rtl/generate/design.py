"""What tells one generated accelerator from another: version, machine and program in one digest."""

from __future__ import annotations

import hashlib

from bcsim.common.version import __version__
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.rtl.bus.program_image import program_memories

__all__ = ["design_digest", "design_line"]

DIGITS = 16


def design_digest(mapping: Mapping) -> str:
    """16 hexadecimal digits of SHA-256, the same for the same bcsim, machine and memory contents."""
    digest = hashlib.sha256(f"{__version__} {mapping.machine.fingerprint:08x}".encode())
    for memory in program_memories(mapping.machine, mapping.image):
        digest.update(f"memory {memory.width} {len(memory.words)} ".encode())
        size = -(-memory.width // 8)
        for word in memory.words:
            digest.update(word.to_bytes(size, "little"))
    digest.update(mapping.image.streamed.tobytes())
    return digest.hexdigest()[:DIGITS]


def design_line(mapping: Mapping) -> str:
    """The comment by which the files of one design know each other; `check_design` of the bench reads it."""
    return f"// design {design_digest(mapping)}\n"
