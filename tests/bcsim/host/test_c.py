"""The C files: they compile without a warning, hold the register map, and pack images as numpy does."""

import ctypes
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bcsim.host import c_header
from bcsim.host.packing import pack_images
from bcsim.machine.parameters import parse_machine
from bcsim.rtl.common.register_map import Control, Error, Register
from tests.programs import random_images
from tests.rtl.networks import fitting_program

LIBRARY = Path(c_header.__file__).with_name("c")
MACHINES = (
    "tiny,input_bytes=4",
    "conv,lanes=8,pes=8,requantisers=4,input_bytes=4,activation_words=4096",
    "conv,lanes=32,pes=8,requantisers=4,input_bytes=8,activation_words=4096",
)
SHAPED = '#include "design.h"\n#include "bcsim_pack.h"\nconst bcsim_shape shape = BCSIM_SHAPE;\n'


def compiled(folder, name, *sources):
    target = folder / name
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-shared", "-fPIC", "-I", LIBRARY]
    subprocess.run(["gcc", *flags, "-I", folder, "-o", target, *sources], check=True)
    return ctypes.CDLL(str(target))


@pytest.mark.parametrize("seed", range(6))
def test_c_packs_as_numpy_does(seed, tmp_path):
    generator = np.random.default_rng(seed)
    mapping = fitting_program(generator, parse_machine(MACHINES[seed % 3]))
    q = random_images(generator, mapping.program, 3).astype(np.uint8)
    (tmp_path / "design.h").write_text(c_header.design_header(mapping, 0x1234))
    (tmp_path / "shape.c").write_text(SHAPED)
    library = compiled(tmp_path, "pack.so", LIBRARY / "bcsim_pack.c", tmp_path / "shape.c")
    shape = ctypes.byref(ctypes.c_byte.in_dll(library, "shape"))
    library.bcsim_packed_bytes.restype = ctypes.c_size_t
    expected = pack_images(mapping, q)
    assert library.bcsim_packed_bytes(shape) == expected.shape[1]
    for image, wanted in zip(q, expected, strict=True):
        found = np.full(len(wanted) + 8, 0xA5, np.uint8)
        library.bcsim_pack_image(
            shape, image.ctypes.data_as(ctypes.c_void_p), found.ctypes.data_as(ctypes.c_void_p)
        )
        assert (found[:-8] == wanted).all()
        assert (found[-8:] == 0xA5).all(), "nothing is written behind the image"


def test_packed_windows_are_among_the_networks_of_this_test():
    mappings = [
        fitting_program(np.random.default_rng(seed), parse_machine(MACHINES[seed % 3])) for seed in range(6)
    ]
    assert {mapping.packed for mapping in mappings} == {True, False}
    assert any(max(mapping.program.layers[0].geometry.pads) for mapping in mappings if mapping.packed)


def test_the_register_header_has_the_map_and_compiles(tmp_path):
    text = c_header.register_header()
    (tmp_path / "bcsim_registers.h").write_text(text)
    (tmp_path / "use.c").write_text('#include "bcsim_registers.h"\nunsigned used = BCSIM_REG_CYCLES_HIGH;\n')
    used = ctypes.c_uint.in_dll(compiled(tmp_path, "use.so", tmp_path / "use.c"), "used")
    assert used.value == Register.CYCLES_HIGH
    constants = {name: int(value, 16) for name, value in re.findall(r"#define BCSIM_(\w+) (0x\w+)u", text)}
    assert {name: constants[f"REG_{name}"] for name in Register.__members__} == dict(Register.__members__)
    assert constants["CONTROL_INTERRUPT"] == Control.INTERRUPT
    assert constants["ERROR_WATCHDOG"] == Error.WATCHDOG
