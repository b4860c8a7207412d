"""What raw levels mean to a network."""

import re
from fractions import Fraction

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import Encoding, InputCoding, Program
from bcsim.data import Dataset
from bcsim.execution.input_origin import program_reading
from bcsim.execution.input_text import ACCEPTED, reading_from_metadata, reading_from_text
from bcsim.execution.raw_levels import program_input
from tests.conv_programs import conv_layer
from tests.programs import random_layer, random_program

LEVELS = np.arange(256)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unit", LEVELS / 255),
        ("centred", (2 * LEVELS - 255) / 255),
        ("sign", np.where(LEVELS >= 128, 1.0, -1.0)),
        ("fixed", np.minimum(np.rint(128 * (2 * LEVELS / 255 - 1)), 127)),
        ("raw", LEVELS),
        ("1/255,0", LEVELS / 255),
        ("0.5, -1/4", LEVELS * 0.5 - 0.25),
        ("scale=1/2, offset=-0.25", LEVELS * 0.5 - 0.25),
        ("mean=1/2,std=1/4", (4 * LEVELS - 510) / 255),
        ("std=1/4,1/4,mean=1/2", (4 * LEVELS - 510) / 255),
    ],
)
def test_floats_of_pixels(text: str, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(reading_from_text(text, 8, 255).floats(LEVELS), expected)


def test_sign_of_digits_turns_at_half_of_sixteen() -> None:
    np.testing.assert_array_equal(
        reading_from_text("sign", 5, 16).floats(np.array([0, 7, 8, 16])), [-1, -1, 1, 1]
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("units", f"Input must be {ACCEPTED}, not 'units'"),
        ("mean=0.1", f"Input must be {ACCEPTED}, not 'mean=0.1'"),
        ("mean=0.1,scale=1", f"Input must be {ACCEPTED}, not 'mean=0.1,scale=1'"),
        ("mean=0.1,std=0", "Input std must be positive, not '0'"),
        ("mean=0.1,std=1,", "Input std must be a decimal number or a fraction such as 1/255, not ''"),
        (
            "mean=0.1,0.2,std=1,1,1",
            "Input mean has 2 values and std 3; give one, or one for each channel",
        ),
        (
            "mean=123.7,std=58.4",
            "Input mean must be of pixels from 0 to 1, not 123.7: divide mean and std by 255 where they are of pixels "
            "from 0 to 255",
        ),
        (
            "scale=1,2,offset=0",
            "Input scale and offset must be one number each; one for each channel has mean=...,std=...",
        ),
        ("x,0", "Input scale must be a decimal number or a fraction such as 1/255, not 'x'"),
        ("1/0,0", "Input scale must be a decimal number or a fraction such as 1/255, not '1/0'"),
        ("1,", "Input offset must be a decimal number or a fraction such as 1/255, not ''"),
        ("0,1", "Input scale must be positive, not '0'"),
        ("-1,1", "Input scale must be positive, not '-1'"),
        ("nan,1", "Input scale must be a decimal number or a fraction such as 1/255, not 'nan'"),
    ],
)
def test_bad_text(text: str, message: str) -> None:
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        reading_from_text(text, 8, 255)


def test_metadata() -> None:
    found = reading_from_metadata({"bcsim.input_scale": "1/8", "bcsim.input_offset": "-1"}, 5)
    assert found is not None
    assert found.pixel == Encoding(5, Fraction(1, 8), Fraction(-1))
    assert reading_from_metadata({}, 8) is None
    message = "Metadata bcsim.input scale must be a decimal number or a fraction such as 1/255, not 'big'"
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        reading_from_metadata({"bcsim.input_scale": "big"}, 8)


def test_sign_takes_raw_pixels_to_the_bits_the_network_was_lowered_with() -> None:
    reading = reading_from_text("sign", 8, 255)
    program = random_program(np.random.default_rng(1))
    lowered = InputCoding(reading.lowered, program.layers[0].source, np.array([2, 5]))
    attached = reading.attach(type(program)("p", lowered, program.input_shape, program.layers))
    np.testing.assert_array_equal(attached.input.encode_levels(np.array([0, 127, 128, 255])), [2, 2, 5, 5])
    np.testing.assert_array_equal(attached.input.encode(np.array([-1.0, 1.0])), [2, 5])
    assert program_reading(attached) == reading


def test_fixed_takes_raw_pixels_and_integers_alike() -> None:
    reading = reading_from_text("fixed", 8, 255)
    program = random_program(np.random.default_rng(1))
    lowered = InputCoding(reading.lowered, reading.lowered)
    attached = reading.attach(type(program)("p", lowered, program.input_shape, program.layers))
    levels = attached.input.encode_levels(LEVELS)
    assert levels.tolist() == [*range(128), *range(129, 256), 255]
    np.testing.assert_array_equal(attached.input.encode(reading.floats(LEVELS)), levels)
    assert program_reading(attached) == reading


def test_program_input_of_levels_and_of_floats() -> None:
    program = random_program(np.random.default_rng(2))
    pixel = Encoding(4, Fraction(1, 15), Fraction(0))
    coding = InputCoding(pixel, program.layers[0].source, np.arange(16)[::-1].copy())
    program = type(program)("p", coding, program.input_shape, program.layers)
    levels = np.arange(program.inputs, dtype=np.uint8)[None] % 16
    of_levels = program_input(program, Dataset("d", levels, None, 8, 255))
    np.testing.assert_array_equal(of_levels, 15 - levels)
    of_floats = program_input(program, Dataset("d", levels / 15, None, 0, 1))
    np.testing.assert_array_equal(of_floats, of_levels)


def test_levels_beyond_the_program() -> None:
    program = random_program(np.random.default_rng(2))
    top = program.input.pixel.levels - 1
    levels = np.full((1, program.inputs), top + 1, dtype=np.uint8)
    message = f"Data set d has levels up to {top + 1}, and the program takes 0 to {top}"
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        program_input(program, Dataset("d", levels, None, 8, 255))


def test_images_of_another_size() -> None:
    program = random_program(np.random.default_rng(2))
    x = np.zeros((1, program.inputs + 1), dtype=np.uint8)
    message = (
        f"Data set d has images of shape ({program.inputs + 1},), {program.inputs + 1} values each, "
        f"and the network takes {program.inputs}"
    )
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        program_input(program, Dataset("d", x, None, 8, 255))


def test_images_are_arranged_with_channels_last_for_convolutions_only() -> None:
    rng = np.random.default_rng(6)
    source = Encoding(8, Fraction(1), Fraction(0))
    layers = [
        conv_layer(rng, Geometry(2, 2, (3,), kernel=(2, 2)), 1, source, 16, "conv", ("",)),
        random_layer(rng, 12, 1, source, 16, "dense"),
    ]
    images = np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2)
    found = [
        program_input(
            Program("p", InputCoding(source, source), (3, 2, 2), (layer,)), Dataset("d", images, None, 8, 255)
        )
        for layer in layers
    ]
    assert found[0].tolist() == [[0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]]
    assert found[1].tolist() == [list(range(12))]
