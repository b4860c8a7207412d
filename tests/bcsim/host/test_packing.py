"""Images as bytes, for networks whose first layer is dense and for windows that the host packs."""

import numpy as np
import pytest

import bcsim
from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import map_program
from bcsim.host.packing import pack_images
from bcsim.machine.parameters import parse_machine
from bcsim.rtl.generate.vectors import stream_words
from bcsim.simulator.simulator import stream_values
from tests.programs import random_images
from tests.rtl.networks import fitting_program

MACHINES = ("tiny,input_bytes=4", "conv,lanes=8,pes=8,requantisers=4,input_bytes=4,activation_words=4096")


@pytest.fixture(scope="module")
def digits():
    return map_program(bcsim.compile(bcsim.load("digits")), parse_machine("tiny,input_bytes=8"))


def test_a_dense_networks_bytes_are_its_levels(digits):
    q = np.arange(128).reshape(2, 64) % 17
    assert (pack_images(digits, q) == q).all()


@pytest.mark.parametrize(
    ("q", "message"),
    [
        (np.zeros((1, 63), np.uint8), r"^Images must be of shape \(n, 64\), not \(1, 63\)$"),
        (np.full((1, 64), 32), r"^Images must have levels from 0 to 31, not 32 to 32$"),
        (np.full((1, 64), -1), r"^Images must have levels from 0 to 31, not -1 to -1$"),
    ],
)
def test_images_that_the_network_does_not_take_are_refused(digits, q, message):
    with pytest.raises(BcsimError, match=message):
        pack_images(digits, q)


@pytest.mark.parametrize("seed", range(8))
def test_bytes_are_the_streams_words_with_zeros_where_nothing_is_kept(seed):
    generator = np.random.default_rng(seed)
    mapping = fitting_program(generator, parse_machine(MACHINES[seed % 2]))
    q = random_images(generator, mapping.program, 3)
    words, _, last = stream_words(stream_values(mapping, q), mapping.machine.input_bytes)
    packed = pack_images(mapping, q)
    assert (packed.reshape(words.shape) == words).all()
    assert last.sum() == len(packed)
    assert packed.shape[1] == mapping.beats * mapping.machine.input_bytes
