"""The driver on stand-ins of PYNQ's registers and DMA engine, behind which a program runs."""

from types import SimpleNamespace

import numpy as np
import pytest

import bcsim
from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import map_program
from bcsim.data import load_dataset
from bcsim.execution.execute import execute
from bcsim.execution.raw_levels import program_input
from bcsim.host.driver import Driver, PynqDma
from bcsim.host.packing import pack_images
from bcsim.machine.parameters import parse_machine
from bcsim.rtl.bus.program_image import load_writes
from bcsim.rtl.common.register_map import IDENTIFICATION, VERSION, Error, Register


class Registers(dict):
    """What was written reads back; a stop takes RUNNING away and a start gives it."""

    def __init__(self, machine, **found):
        super().__init__(
            {
                Register.IDENTIFICATION: IDENTIFICATION,
                Register.VERSION: VERSION,
                Register.FINGERPRINT: machine.fingerprint,
            }
        )
        self.update({Register[name]: value for name, value in found.items()})
        self.writes = []

    def read(self, address):
        return self.get(address, 0)

    def write(self, address, value):
        self.writes.append((int(address), value))
        if address == Register.CONTROL:
            self[Register.STATUS] = value & 1


class Channel:
    """One direction of a DMA engine; a transfer ends when both were begun."""

    def __init__(self):
        self.buffer, self.waited = None, 0

    def transfer(self, buffer):
        assert self.buffer is None, "the last transfer has ended"
        self.buffer = buffer

    def wait(self):
        self.waited += 1


class Dma:
    """An engine with the program behind it."""

    def __init__(self, mapping, q):
        self.results = dict(zip(map(bytes, pack_images(mapping, q)), self.words(mapping, q), strict=True))
        self.recvchannel, self.sendchannel = Channel(), Channel()
        self.sendchannel.wait = self.run

    @staticmethod
    def words(mapping, q):
        done = execute(mapping.program, q)
        return np.concatenate([done.scores, done.classes[:, None]], axis=1)

    def run(self):
        image, result = self.sendchannel.buffer, self.recvchannel.buffer
        result[:] = self.results[image.tobytes()]
        self.sendchannel.buffer = self.recvchannel.buffer = None


@pytest.fixture(scope="module")
def design():
    program = bcsim.compile(bcsim.load("digits"))
    return map_program(program, parse_machine("tiny,input_bytes=4")), program_input(
        program, load_dataset("digits", "test", 5)
    )


def test_a_program_is_loaded_and_images_classified(design):
    mapping, q = design
    registers, dma = Registers(mapping.machine), Dma(mapping, q)
    driver = Driver(registers, PynqDma(dma, lambda shape, dtype: np.zeros(shape, dtype)), mapping)
    with pytest.raises(BcsimError, match=r"^The accelerator does not run: load a program first$"):
        driver.infer(q)
    writes = list(load_writes(mapping.machine, mapping.image))
    driver.load(writes)
    assert registers.writes == [(Register.CONTROL, 0), *writes, (Register.CONTROL, 1)]
    scores, classes = driver.infer(q)
    expected = execute(mapping.program, q)
    assert (scores == expected.scores).all()
    assert (classes == expected.classes).all()
    registers[Register.ERRORS] = int(Error.IMAGE_LENGTH)
    with pytest.raises(BcsimError, match=r"^The accelerator noted: IMAGE_LENGTH$"):
        driver.infer(q)
    with pytest.raises(BcsimError, match=r"^The accelerator did not start the program: IMAGE_LENGTH$"):
        driver.load([])
    registers.update({Register.CYCLES: 5, Register.CYCLES_HIGH: 1})
    assert driver.cycles() == 5 + (1 << 32)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            {"IDENTIFICATION": 7},
            r"^No accelerator at this address: IDENTIFICATION reads 0x00000007, not 0x4243534d$",
        ),
        ({"VERSION": 9}, r"^The accelerator's register map has version 9, bcsim \d+$"),
        (
            {"FINGERPRINT": 5},
            r"^The accelerator is another machine \(fingerprint 00000005, not [0-9a-f]{8}\)$",
        ),
    ],
)
def test_what_is_no_such_accelerator_is_told(design, found, message):
    mapping, _ = design
    with pytest.raises(BcsimError, match=message):
        Driver(Registers(mapping.machine, **found), SimpleNamespace(), mapping)


def test_a_machine_that_takes_several_images_at_once_is_refused():
    program = bcsim.compile(bcsim.load("digits"))
    machine = parse_machine("tiny,spatial=true,reuse=2,batch=2,activation_words=256")
    mapping = map_program(program, machine)
    with pytest.raises(
        BcsimError, match=r"^The machine takes 2 images at once, and the driver sends one and"
    ):
        Driver(Registers(machine), SimpleNamespace(), mapping)
